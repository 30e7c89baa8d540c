"""Real clickhouse-connect clients against the embedded engine, over HTTP, as against a ClickHouse server."""

import asyncio
import gzip
import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import clickhouse_connect
import numpy as np
import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, StreamFailureError

from streams.sinks import native
from tests.conftest import free_port

USERS = {"platform": {"password": "owner's pass"}, "reader": {"password": "r", "readonly": True}}


@dataclass
class Served:
    """A served folder, which a test may stop and start again."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]

    def start(self) -> None:
        users = self.folder.with_name("users.json")
        users.write_text(json.dumps(USERS))
        command = [sys.executable, "-m", "stack.clickhouse_http", str(self.folder), "--port", str(self.port)]
        self.process = subprocess.Popen([*command, "--users", str(users), "--memory-mb", "1024"])
        for _ in range(1200):
            try:
                assert self.get("/ping") == (200, b"Ok.\n")
                return
            except OSError:
                assert self.process.poll() is None
                time.sleep(0.05)
        raise TimeoutError

    def client(self, user: str = "platform", **options: Any) -> Client:
        return clickhouse_connect.get_client(
            host="127.0.0.1", port=self.port, username=user, password=USERS[user]["password"], **options
        )

    def get(self, path: str, data: bytes | None = None, **headers: str) -> tuple[int, bytes]:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def ask(self, sql: str, data: bytes | None = None, **parameters: str) -> tuple[int, bytes]:
        query = urllib.parse.urlencode({"query": sql, **parameters})
        head = {"X-ClickHouse-User": "platform", "X-ClickHouse-Key": "owner's pass"}
        return self.get(f"/?{query}", data, **head)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    made = Served(tmp_path_factory.mktemp("clickhouse") / "data", free_port(), None)  # type: ignore[arg-type]
    made.start()
    yield made
    made.process.terminate()
    assert made.process.wait(20) == 0


@pytest.fixture(scope="module")
def client(served: Served) -> Iterator[Client]:
    with served.client(autogenerate_session_id=False, compress=False) as made:
        yield made


@pytest.fixture
def table(client: Client, request: pytest.FixtureRequest) -> str:
    name = request.node.name.partition("[")[0]
    client.command(f"CREATE TABLE {name} (id UInt64, word String) ENGINE = MergeTree ORDER BY id")
    return name


def test_every_kind_of_value_comes_back_as_it_went_in(client: Client) -> None:
    client.command(
        "CREATE TABLE kinds (id UUID, at DateTime64(3, 'UTC'), low LowCardinality(String), map Map(String, UInt64),"
        " pair Tuple(UInt8, String), many Array(Nullable(Int32)), price Decimal(18, 3), kind Enum8('a' = 1, 'b' = 2))"
        " ENGINE = MergeTree ORDER BY id"
    )
    at = datetime(2026, 3, 1, 12, 30, 15, 250_000, tzinfo=UTC)
    row = [UUID(int=7), at, "low", {"x": 1}, (1, "one"), [1, None, -3], "12.345", "b"]
    client.insert("kinds", [row])
    stored = client.query("SELECT * FROM kinds").result_rows[0]
    assert stored[0] == row[0]
    assert stored[1].replace(tzinfo=UTC) == at
    assert list(stored[2:6]) == row[2:6]
    assert str(stored[6]) == "12.345"
    assert stored[7] == "b"


@pytest.mark.parametrize("compress", [False, "lz4", "zstd", "gzip"])
def test_a_large_insert_and_a_large_result_survive_compression(served: Served, client: Client, compress: Any) -> None:
    name = f"compressed_{compress or 'none'}"
    client.command(f"CREATE TABLE {name} (n UInt64, text String) ENGINE = MergeTree ORDER BY n")
    rows = [[n, f"row {n}" * 5] for n in range(60_000)]
    with served.client(compress=compress, autogenerate_session_id=False) as compressing:
        summary = compressing.insert(name, rows)
        assert summary.written_rows == len(rows)
        assert [list(row) for row in compressing.query(f"SELECT * FROM {name} ORDER BY n").result_rows] == rows


def test_arrow_goes_in_and_comes_out(client: Client, table: str) -> None:
    sent = pa.table({"id": pa.array([1, 2, 3], pa.uint64()), "word": ["a", "b", "c"]})
    client.insert_arrow(table, sent)
    got = client.query_arrow(f"SELECT * FROM {table} ORDER BY id", use_strings=True)
    assert got.to_pydict() == sent.to_pydict()


def test_a_result_streams_before_it_is_complete(client: Client) -> None:
    blocks = total = 0
    with client.query_column_block_stream("SELECT number FROM numbers(3000000)") as stream:
        for block in stream:
            blocks += 1
            total += len(block[0])
    assert total == 3_000_000
    assert blocks > 1


@pytest.mark.parametrize("form", [False, True])
def test_parameters_are_values_and_never_sql(served: Served, form: bool) -> None:
    with served.client(form_encode_query_params=form, autogenerate_session_id=False) as asking:
        evil = "x'); DROP TABLE t; --\n\\ \t"
        answer = asking.query(
            "SELECT {text:String}, {n:UInt64}, {ids:Array(UUID)}",
            parameters={"text": evil, "n": 2**63, "ids": [UUID(int=1)]},
        )
    assert answer.result_rows == [(evil, 2**63, [UUID(int=1)])]


def test_settings_hold_for_one_request_only(client: Client) -> None:
    sql = "SELECT getSetting('max_threads')"
    before = client.query(sql).result_rows
    assert client.query(sql, settings={"max_threads": 3}).result_rows == [(3,)]
    assert client.query(sql).result_rows == before


def test_errors_carry_clickhouses_code_and_status(served: Served, client: Client) -> None:
    with pytest.raises(DatabaseError, match="UNKNOWN_TABLE"):
        client.query("SELECT * FROM nowhere")
    assert served.ask("SELECT * FROM nowhere")[0] == 404
    assert served.ask("SELEC 1")[0] == 400
    status, text = served.ask("SELECT 1", nosuch_setting="1")
    assert (status, b"Code: 115." in text) == (400, True)
    assert served.ask("SELECT 1", database="nowhere")[0] == 404
    assert served.get("/?query=select+1&user=platform&password=wrong")[0] == 403
    assert served.get("/?query=select+1")[0] == 403


def test_an_error_in_the_middle_of_a_stream_reaches_the_client(client: Client) -> None:
    sql = "SELECT throwIf(number = 2500000, 'too far') FROM numbers(3000000) SETTINGS max_block_size = 65536"
    with pytest.raises(StreamFailureError, match="too far"):
        _ = client.query(sql).result_rows


def test_an_insert_that_breaks_off_stores_nothing(served: Served, client: Client, table: str) -> None:
    rows = b"".join(b'{"id": %d, "word": "w"}\n' % n for n in range(200_000))
    status, text = served.ask(f"INSERT INTO {table} FORMAT JSONEachRow", rows + b'{"id": broken}\n')
    assert status == 400
    assert b"DB::Exception" in text
    assert client.query(f"SELECT count() FROM {table}").result_rows == [(0,)]
    assert served.ask(f"INSERT INTO {table} FORMAT JSONEachRow", rows)[0] == 200
    assert client.query(f"SELECT count() FROM {table}").result_rows == [(200_000,)]


@pytest.mark.parametrize("rows", [1, 600_000, 100_000, 4_300_000])
def test_a_body_of_any_size_is_stored_as_it_came(client: Client, rows: int) -> None:
    """From one block of the socket's to more than is kept in memory; after a larger one nothing of it is left."""
    client.command("CREATE OR REPLACE TABLE sized (n UInt64) ENGINE = MergeTree ORDER BY n")
    numbers = np.arange(rows, dtype=np.uint64)
    for part in (numbers, numbers + np.uint64(rows)):
        native.insert(client, "sized", pa.table({"n": part}))
    assert client.query("SELECT count(), sum(n), uniqExact(n) FROM sized").result_rows == [
        (2 * rows, rows * (2 * rows - 1), 2 * rows)
    ]


def test_a_body_that_the_client_does_not_finish_is_not_stored(served: Served, client: Client, table: str) -> None:
    whole = b"".join(b"%d\tw\n" % n for n in range(500_000))
    query = f"query=INSERT+INTO+{table}+FORMAT+TSV&user=platform&password=owner%27s+pass"
    head = f"POST /?{query} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(whole)}\r\n\r\n".encode()
    for sent in [0, 1_000_000, 2_500_000, len(whole) - 1] * 5:
        with socket.create_connection(("127.0.0.1", served.port)) as hanging_up:
            hanging_up.sendall(head + whole[:sent])
    assert served.ask(f"INSERT INTO {table} FORMAT TSV", whole[:3_000_000].rpartition(b"\n")[0])[0] == 200
    stored = whole[:3_000_000].count(b"\n")
    assert client.query(f"SELECT count(), max(id) + 1 FROM {table}").result_rows == [(stored, stored)]


@pytest.mark.parametrize("wrong", ["CHECK n < 10", "CHECK throwIf(n = 10) = 0"])
def test_an_insert_that_the_table_refuses_is_an_error_and_stores_nothing(client: Client, wrong: str) -> None:
    client.command("DROP TABLE IF EXISTS picky")
    client.command(f"CREATE TABLE picky (n UInt32, CONSTRAINT small {wrong}) ENGINE = MergeTree ORDER BY n")
    with pytest.raises(DatabaseError):
        client.insert("picky", [[1], [10]])
    with pytest.raises(DatabaseError):
        client.insert_arrow("picky", pa.table({"n": pa.array([2, 10], pa.uint32())}))
    assert client.command("SELECT count() FROM picky") == 0


def test_inserts_of_every_shape_are_understood(served: Served, client: Client, table: str) -> None:
    assert served.ask(f"INSERT INTO {table} VALUES (1, 'FORMAT'), (2, 'a\\'b')", b"")[0] == 200
    assert served.ask("", f"INSERT INTO {table} (id, word) FORMAT CSV\n3,three\n".encode())[0] == 200
    assert served.ask(f"INSERT INTO {table}\nSETTINGS max_threads = 1 FORMAT TSV", b"4\tfour\n")[0] == 200
    assert served.ask(f"INSERT INTO {table} SELECT 5, 'format' /* FORMAT CSV */", b"")[0] == 200
    head = {"Content-Encoding": "gzip", "X-ClickHouse-User": "platform", "X-ClickHouse-Key": "owner's pass"}
    query = urllib.parse.urlencode({"query": f"INSERT INTO {table} FORMAT CSV"})
    assert served.get(f"/?{query}", gzip.compress(b"6,six\n"), **head)[0] == 200
    stored = client.query(f"SELECT id, word FROM {table} ORDER BY id").result_rows
    assert stored == [(1, "FORMAT"), (2, "a'b"), (3, "three"), (4, "four"), (5, "format"), (6, "six")]


def test_formats_are_taken_from_the_text_or_the_default(served: Served) -> None:
    assert served.ask("SELECT 1 AS format, 2 AS b FORMAT CSV") == (200, b"1,2\n")
    assert served.ask("SELECT format('{}-{}', 1, 2)") == (200, b"1-2\n")
    assert json.loads(served.ask("SELECT 1 AS one FORMAT JSON SETTINGS max_threads = 1")[1])["data"] == [{"one": 1}]
    assert served.ask("SELECT 1 AS one", default_format="JSONEachRow") == (200, b'{"one":1}\n')
    assert served.ask("-- nothing\n") == (200, b"Ok.\n")


def test_a_read_only_user_reads_and_nothing_else(served: Served, client: Client, table: str) -> None:
    client.insert(table, [[1, "one"]])
    with served.client("reader", autogenerate_session_id=False) as reading:
        assert reading.query(f"SELECT word FROM {table}", settings={"max_threads": 1}).result_rows == [("one",)]
        for sql in (
            f"INSERT INTO {table} VALUES (2, 'two')",
            f"DROP TABLE {table}",
            "SET readonly = 0",
            "SELECT * FROM file('/etc/passwd', 'LineAsString')",
            "SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a String')",
        ):
            with pytest.raises(DatabaseError, match=r"READONLY|readonly|read-only"):
                reading.command(sql)
        with pytest.raises(DatabaseError, match="readonly"):
            reading.insert(table, [[3, "three"]])
    assert client.query(f"SELECT count() FROM {table}").result_rows == [(1,)]


def test_a_get_request_cannot_write(served: Served, table: str) -> None:
    assert b"readonly" in served.ask(f"INSERT INTO {table} VALUES (1, 'x')")[1]


def test_engines_that_would_brick_the_folder_are_refused_and_it_opens_again(served: Served, client: Client) -> None:
    for engine in ("Kafka", "`Kafka`", "RabbitMQ", "NATS"):
        with pytest.raises(DatabaseError, match="does not work in the embedded engine"):
            client.command(f"CREATE TABLE bricks (a Int8) ENGINE = {engine}('127.0.0.1:1', 't', 'g', 'CSV')")
    client.command("CREATE TABLE survives (a Int8) ENGINE = MergeTree ORDER BY a")
    client.insert("survives", [[1]])
    served.process.send_signal(signal.SIGKILL)
    served.process.wait()
    served.start()
    assert client.query("SELECT a FROM survives").result_rows == [(1,)]


def test_a_session_keeps_its_temporary_table_and_others_do_not_see_it(served: Served, client: Client) -> None:
    with served.client(session_id="mine") as session:
        session.command("CREATE TEMPORARY TABLE notes (a Int8)")
        session.command("INSERT INTO notes VALUES (5)")
        session.command("SET max_threads = 3")
        answer = session.query("SELECT a, getSetting('max_threads') FROM notes", settings={"max_block_size": 10})
        assert answer.result_rows == [(5, 3)]
    with pytest.raises(DatabaseError, match="notes"):
        client.query("SELECT * FROM notes")


def test_a_query_over_its_memory_limit_fails_and_the_engine_lives(client: Client) -> None:
    with pytest.raises(DatabaseError, match="MEMORY_LIMIT_EXCEEDED"):
        client.query("SELECT groupArray(number) FROM numbers(400000000)")
    assert client.query("SELECT 1").result_rows == [(1,)]


async def test_async_clients_ask_at_the_same_time(served: Served) -> None:
    made = await clickhouse_connect.get_async_client(
        host="127.0.0.1",
        port=served.port,
        username="platform",
        password="owner's pass",
        autogenerate_session_id=False,
    )
    async with made:
        await made.command("CREATE TABLE together (n UInt64) ENGINE = MergeTree ORDER BY n")
        await asyncio.gather(*(made.insert("together", [[n]]) for n in range(30)))
        answers = await asyncio.gather(*(made.query("SELECT count(), sum(n) FROM together") for _ in range(20)))
        assert {tuple(answer.result_rows[0]) for answer in answers} == {(30, 435)}


def test_a_client_that_hangs_up_frees_its_place(served: Served, client: Client) -> None:
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", served.port)) as hanging_up:
            query = "query=SELECT+number+FROM+numbers(100000000)&user=platform&password=owner%27s+pass"
            hanging_up.sendall(f"GET /?{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            hanging_up.recv(1000)
    assert client.query("SELECT 1").result_rows == [(1,)]
