"""Apache Kafka on the JVM, in KRaft mode: its log is on disk and survives everything. Asked for by KAFKA=apache."""

import shutil
import subprocess
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Final

from stack.child import Child, Stage
from stack.errors import Refused
from stack.ports import HOST
from stack.server import Place, Server
from stack.servers import kafka

POM: Final = Path(__file__).parent.parent / "kafka" / "pom.xml"
LOGGING: Final = POM.with_name("log4j2.properties")
CLUSTER: Final = "VGFsbHl3aXJlLWxvY2FsMQ"
"""Any 16 bytes in base64; one broker needs no other."""

_CONFIG = """process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
controller.quorum.voters=1@{host}:{controller_port}
log.dirs={data}
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
offsets.topic.replication.factor=1
offsets.topic.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
message.max.bytes=9437184
"""


def install(place: Place, say: Callable[[str], None]) -> None:
    """Fetch the jars from Maven Central, once."""
    if not shutil.which("java"):
        raise Refused("KAFKA=apache needs Java 17: apt-get install openjdk-17-jre-headless (or leave out KAFKA=apache)")
    jars = _jars(place)
    if jars.exists():
        return
    if not shutil.which("mvn"):
        raise Refused("KAFKA=apache fetches its jars by Maven: apt-get install maven (or leave out KAFKA=apache)")
    say("fetching Apache Kafka from Maven Central")
    draft = jars.with_name(f"{jars.name}.draft")
    command = [
        "mvn",
        "-q",
        "-B",
        "-Dstyle.color=never",
        "-f",
        str(POM),
        "dependency:copy-dependencies",
        f"-DoutputDirectory={draft}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 — our own words
    if done.returncode:
        raise Refused(f"Maven could not fetch Apache Kafka:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    draft.rename(jars)


def prepare(place: Place) -> tuple[Child, ...]:
    """Write the configuration; give the data folder its format on the first start."""
    home = place.folder.root / "kafka"
    config, data = home / "server.properties", home / "data"
    known = {"host": HOST, "port": place.ports["kafka"], "controller_port": place.ports["kafka_controller"]}
    config.write_text(_CONFIG.format(**known, data=data))
    if not (data / "meta.properties").exists():
        arguments = ("format", "--cluster-id", CLUSTER, "--config", str(config), "--ignore-formatted")
        command = _java(place, "kafka.tools.StorageTool", *arguments)
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 — our own words
        if done.returncode:
            raise Refused(f"Apache Kafka could not make its files in {data}:\n{done.stdout}{done.stderr}")
    address = kafka.url(place)
    child = Child(
        name="kafka",
        command=_java(place, "kafka.Kafka", str(config)),
        stage=Stage.SERVERS,
        address=f"{HOST}:{place.ports['kafka']}",
        ready=lambda: kafka.ready(address),
        once_ready=lambda: kafka.make_topics(address),
        stop_seconds=30,
    )
    return (child,)


def _jars(place: Place) -> Path:
    """Named for the pom that they came by: another pom is another folder."""
    return place.folder.programs / f"kafka-{sha256(POM.read_bytes()).hexdigest()[:8]}"


def _java(place: Place, main: str, *arguments: str) -> tuple[str, ...]:
    heap = ("-Xms128m", "-Xmx512m", "-XX:+UseG1GC", "-XX:+ExitOnOutOfMemoryError")
    return ("java", *heap, f"-Dlog4j2.configurationFile={LOGGING}", "-cp", f"{_jars(place)}/*", main, *arguments)


PORTS: Final = ("kafka", "kafka_controller")
SERVER = Server("kafka", "kafka_url", PORTS, kafka.url, install, prepare, kafka.ready)
