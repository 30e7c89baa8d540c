"""The five servers, one file each: how to prepare it, start it, and tell that it is ready.

Reads:     ports and secrets that were chosen once
Writes:    each server its own folder in the data folder
Promises:  listens on 127.0.0.1 only, with a password; a kill -9 loses nothing but Tansu's log, which is in memory
Runs as:   children of the supervisor; an address in the environment replaces a server
"""

from stack.server import Server
from stack.servers import clickhouse, kafka_apache, kafka_tansu, postgres, rabbitmq, valkey

KAFKAS: dict[str, Server] = {"tansu": kafka_tansu.SERVER, "apache": kafka_apache.SERVER}


def servers(kafka: str) -> tuple[Server, ...]:
    """The servers of a system, with the Kafka of this kind."""
    return (postgres.SERVER, valkey.SERVER, rabbitmq.SERVER, KAFKAS[kafka], clickhouse.SERVER)
