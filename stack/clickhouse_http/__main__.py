"""`python -m stack.clickhouse_http FOLDER --port PORT --users FILE`: serve a chDB folder until SIGTERM."""

import argparse
import asyncio
from pathlib import Path

from stack.clickhouse_http import users
from stack.clickhouse_http.server import serve
from wire import memory


def main() -> None:
    """Parse the command line and serve."""
    options = argparse.ArgumentParser(prog="stack.clickhouse_http", description=__doc__)
    options.add_argument("folder", type=Path, help="where chDB keeps its data; made where missing")
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument("--port", type=int, default=8123)
    options.add_argument("--users", type=Path, required=True, help='{"name": {"password": "...", "readonly": false}}')
    options.add_argument("--memory-mb", type=int, default=2048, help="what all queries together may use")
    given = options.parse_args()
    memory.keep()
    asyncio.run(serve(given.folder, given.host, given.port, users.read(given.users), given.memory_mb))


if __name__ == "__main__":
    main()
