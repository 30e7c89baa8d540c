"""What the supervisor looks at while everything runs: logs, disk, and the memory of a Kafka that forgets nothing."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

import psutil

from stack import logs
from stack.folder import Folder, space_complaint
from stack.state import State

PAUSE_SECONDS: Final = 5
KAFKA_WARN_BYTES: Final = 2 << 30


async def watch(folder: Folder, state: State, note: Callable[[str], None]) -> None:
    """For ever, every few seconds."""
    while True:
        for log in folder.logs.glob("*.log"):
            await asyncio.to_thread(logs.rotate, log)
        if complaint := space_complaint(folder.root, shutil.disk_usage(folder.root).free):
            note(complaint)
        kafka = state.children.get("kafka")
        if state.kafka == "tansu" and kafka and kafka.process and memory_bytes(kafka.process.pid) > KAFKA_WARN_BYTES:
            note(
                "Kafka (Tansu) holds more than 2 GB in memory and never lets go of it: when nothing is being imported,"
                " run `tallywire down` and `tallywire up`; KAFKA=apache keeps its log on disk"
            )
        await asyncio.sleep(PAUSE_SECONDS)


def memory_bytes(pid: int) -> int:
    """Resident memory of a process and its children; 0 where it is gone."""
    try:
        process = psutil.Process(pid)
        return sum(each.memory_info().rss for each in (process, *process.children(recursive=True)))
    except psutil.Error:
        return 0


def folder_bytes(folder: Path) -> int:
    """What a folder takes on disk, as far as it can be read."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
