"""What comes in: garbage, too much, too often, too unevenly."""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import aiohttp
import psutil
from aiokafka import AIOKafkaProducer
from pydantic import SecretStr

import wire.kafka
from stack import environment, processes
from tests.faults import poison
from tests.faults.load import Load
from tests.faults.trial import PROGRESS_AFTER_DEATH_S, PROGRESS_S, Trial
from wire.events import encode
from wire.settings import Settings
from wire.topics import CONTENT, EVENTS, FINDINGS, REJECTIONS, SNAPSHOTS, Topic

ROOT: Final = Path(__file__).parents[2]
BAD_IN_A_ROW: Final[int] = Settings.model_fields["streams_bad_in_a_row"].default
FLAT_BYTES: Final = 150 * 1024 * 1024
"""What a collector may grow by under what it must refuse: its bound on bodies is 64 MiB, unpacked and parsed."""


@asynccontextmanager
async def _producer(trial: Trial) -> AsyncIterator[AIOKafkaProducer]:
    """One that writes whatever it likes."""
    producer = AIOKafkaProducer(
        bootstrap_servers=wire.kafka.bootstrap(SecretStr(trial.machine.direct["TALLYWIRE_KAFKA_URL"])),
        max_request_size=wire.kafka.MAX_MESSAGE_BYTES,
    )
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def poisoned_log(trial: Trial) -> None:
    """Messages of garbage in every topic, by a real producer: each is kept as a rejection, and the offsets go on."""
    messages = poison.messages(trial.random, trial.machine.organizations[0])
    before = await _rejected(trial)
    async with _producer(trial) as producer:
        for topic, partition, value in messages:
            await producer.send_and_wait(topic.name, value, partition=partition)
        for partition in range(
            SNAPSHOTS.partitions
        ):  # nobody else writes there, and too much garbage in a row stops it
            await producer.send_and_wait(SNAPSHOTS.name, b"[]", partition=partition)
    sent = Counter(topic.name for topic, _, _ in messages)
    await trial.progress(PROGRESS_S)
    end = time.monotonic() + trial.within(PROGRESS_S)
    while (after := await _rejected(trial)) != (expected := {name: before[name] + sent[name] for name in before}):
        assert time.monotonic() < end, f"refused {after}, not {expected}"
        await asyncio.sleep(0.3)


async def poisoned_commands(trial: Trial) -> None:
    """Well-formed, and of no use: each is dead, and holds back nobody."""
    commands = poison.commands(trial.random, trial.machine.organizations[0])
    async with _producer(trial) as producer:
        for each in commands:
            await producer.send_and_wait(FINDINGS.name, encode(each), each.key.encode())
    end = time.monotonic() + PROGRESS_AFTER_DEATH_S
    while (dead := await trial.stores.dead_commands(commands[0].key)) != len(commands):
        assert time.monotonic() < end, f"{dead} of {len(commands)} are dead"
        await asyncio.sleep(0.3)


async def nothing_but_garbage(trial: Trial) -> None:
    """One batch of bad messages, so that nothing good is among them; then an operator allows what is bad."""
    before, partition = await trial.stores.rejected(EVENTS.name), trial.random.randrange(EVENTS.partitions)
    async with _producer(trial) as producer:
        batch = producer.create_batch()
        for _ in range(BAD_IN_A_ROW + 10):
            batch.append(key=None, value=b"of a broken deployment", timestamp=None)
        await (await producer.send_batch(batch, EVENTS.name, partition=partition))
    end = time.monotonic() + PROGRESS_S
    while f"{EVENTS.name}/{partition} stands still" not in " ".join((await _tallywire(trial, "status"))[1].split()):
        assert time.monotonic() < end, "it does not say that it stopped"
    assert await trial.stores.rejected(EVENTS.name) == before + BAD_IN_A_ROW
    async with trial.machine.beside("streams", TALLYWIRE_STREAMS_BAD_IN_A_ROW="0"), trial.machine.frozen("streams"):
        await trial.progress(PROGRESS_AFTER_DEATH_S)
    await trial.progress(PROGRESS_AFTER_DEATH_S)
    assert await trial.stores.rejected(EVENTS.name) == before + BAD_IN_A_ROW + 10
    assert (await _tallywire(trial, "status"))[0] == 0


async def recount(trial: Trial) -> None:
    """Everything is counted anew from the ledger while events come in; again, where a store was away."""
    end = time.monotonic() + trial.within(0)
    code, told = await _tallywire(trial, "recount")
    while code and time.monotonic() < end:
        code, told = await _tallywire(trial, "recount")
    assert code == 0, told[-2000:]
    await trial.progress(PROGRESS_AFTER_DEATH_S)


async def kill_recount(trial: Trial) -> None:
    """Three recounts are begun while events come in, and killed by -9 at any moment; nobody finishes them."""
    for _ in range(3):
        process, _ = await _begun(trial, "recount", "--wait", "0")
        await asyncio.sleep(trial.random.uniform(2, 9))
        if process.returncode is None:
            process.kill()
        await process.wait()
    await trial.progress(PROGRESS_AFTER_DEATH_S)


async def _tallywire(trial: Trial, verb: str) -> tuple[int, str]:
    """A command of a person's: its exit status, and what it said."""
    process, log = await _begun(trial, verb)
    return await process.wait(), log.read_text()


async def _begun(trial: Trial, verb: str, *options: str) -> tuple[asyncio.subprocess.Process, Path]:
    known = {**environment.without_ours(), "NO_COLOR": "1"}
    command = [sys.executable, "-m", "stack", verb, *options, "--data", str(trial.machine.folder / "services")]
    log = trial.machine.folder / f"{verb}.log"
    log.unlink(missing_ok=True)
    return await processes.spawn(command, environment=known, log=log, folder=ROOT), log


async def _rejected(trial: Trial) -> dict[str, int]:
    topics: tuple[Topic, ...] = (EVENTS, SNAPSHOTS, REJECTIONS, CONTENT)
    return {topic.name: await trial.stores.rejected(topic.name) for topic in topics}


async def malformed(trial: Trial) -> None:
    """Bodies of every wrong kind: each has its own 4xx, and the collector is still the same process."""
    organization, pid = trial.machine.organizations[1], trial.machine.pid("ingestion")
    for name, (headers, body, expected) in poison.bodies(organization).items():
        status = await poison.post(trial.machine.doors[0], organization, headers, body)
        assert status == expected, f"{name}: {status}, not {expected}"
    assert trial.machine.pid("ingestion") == pid
    told = len(poison.bodies(organization)) - 1  # another type, and another charset, are one complaint
    end = time.monotonic() + PROGRESS_S
    while (kept := await trial.stores.refused_whole(organization.id)) < told:
        assert time.monotonic() < end, f"only {kept} of them are kept"
        await asyncio.sleep(0.3)


async def oversized(trial: Trial) -> None:
    """Bodies beyond 10 MB, said and unsaid, many at once: 413, and the memory stays flat."""
    organization, door = trial.machine.organizations[1], trial.machine.doors[0]
    process = psutil.Process(trial.machine.pid("ingestion"))

    async def round_() -> set[int]:
        said = [poison.post(door, organization, poison.JSON, b" " * 11_000_000) for _ in range(4)]
        unsaid = [poison.endless(door, organization, 12_000_000) for _ in range(4)]
        return set(await asyncio.gather(*said, *unsaid))

    before = process.memory_info().rss
    for _ in range(10 if trial.long else 3):
        answers = await round_()
        assert answers <= {0, 413, 503}, answers
    grown = process.memory_info().rss - before
    assert grown < FLAT_BYTES, f"the collector grew by {grown >> 20} MB"


async def storm(trial: Trial) -> None:
    """1,000 ids, each a thousand times (a hundred times where time is short), from many connections at once."""
    organization = trial.machine.organizations[2]
    events = [trial.load.event(organization) for _ in range(1000)]
    times = 1000 if trial.long else 100

    async def sender(session: aiohttp.ClientSession, count: int) -> None:
        for _ in range(count):
            await repetitions.deliver(session, list(events))

    repetitions = Load(trial.random, [organization], trial.machine.doors)
    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(sender(session, times // 4) for _ in range(4)))
    assert repetitions.ledger.acknowledged["events"] == 1000 * (times // 4) * 4
    for event in events:
        trial.load.ledger.add(event)
    trial.load.complaints += repetitions.complaints
    await trial.progress(PROGRESS_AFTER_DEATH_S)


async def burst(trial: Trial) -> None:
    """Ten times what a collector may take: the excess is answered 429 or 503 with Retry-After, its memory stays flat,
    and what it has acknowledged is counted."""
    limits = {"TALLYWIRE_INGESTION_EVENTS_PER_SECOND": "400", "TALLYWIRE_INGESTION_MEMORY_BYTES": "200000"}
    async with trial.machine.beside("ingestion", **limits) as collector:
        flood = Load(trial.random, trial.machine.organizations, [collector.address], 12_000, readers=40)
        flood.ledger.cells = trial.load.ledger.cells
        memory = psutil.Process(collector.process.pid).memory_info
        flood.start()
        await asyncio.sleep(2)
        before = memory().rss
        await asyncio.sleep(60 if trial.long else 6)
        grown = memory().rss - before
        await flood.stop()
    trial.load.complaints += flood.complaints
    met = flood.ledger.acknowledged
    assert met["429"] + met["503"] > 0, f"nothing was refused: {met}"
    assert grown < FLAT_BYTES, f"the collector grew by {grown >> 20} MB"


async def hot(trial: Trial) -> None:
    """Nine of ten events are about one piece of each organization; nobody else's wait for them."""
    trial.load.hot, trial.load.events_per_s, before = 0.9, 5 * trial.load.events_per_s, trial.load.events_per_s
    await asyncio.sleep(20 if trial.long else 5)
    await trial.progress(PROGRESS_S)
    trial.load.hot, trial.load.events_per_s = 0.5, before
