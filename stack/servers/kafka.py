"""What both Kafkas share."""

from aiokafka.client import AIOKafkaClient
from pydantic import SecretStr

from stack.ports import HOST
from stack.server import Place


def url(place: Place) -> str:
    """The one broker."""
    return f"kafka://{HOST}:{place.ports['kafka']}"


async def ready(address: str) -> None:
    """The broker tells its metadata."""
    from wire.kafka import bootstrap

    client = AIOKafkaClient(bootstrap_servers=bootstrap(SecretStr(address)), request_timeout_ms=5_000)
    try:
        await client.bootstrap()
    finally:
        await client.close()


async def make_topics(address: str) -> None:
    """Every topic with its partitions, before anyone produces."""
    from wire.kafka import ensure_topics

    await ensure_topics(SecretStr(address))
