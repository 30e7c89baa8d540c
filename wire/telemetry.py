"""Logs as ECS JSON lines, and every metric with its meaning."""

import logging
import sys
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Final

import structlog
from prometheus_client import REGISTRY, Counter, Gauge, Histogram, start_http_server

from wire.settings import settings

SECRET_WORDS: Final = ("authorization", "cookie", "password", "token", "secret", "key_hash", "dsn")

EVENTS_ACCEPTED: Final = Counter("ingestion_events_accepted", "Events that Kafka has, and the sender was told so")
EVENTS_REJECTED: Final = Counter("ingestion_events_rejected", "Events refused at the door", ["reason"])
EVENTS_IN_FLIGHT: Final = Gauge(
    "ingestion_events_in_flight", "Events accepted by any collector that are not counted yet; NaN where not known"
)
EVENTS_STORED: Final = Counter("streams_events_stored", "Events counted for the first time")
EVENTS_DUPLICATE: Final = Counter("streams_events_duplicate", "Events that were counted already")
STOPPED: Final = Gauge("streams_stopped", "1 while a topic is not read, since all input of a stretch is bad", ["topic"])
FLUSH_SECONDS: Final = Histogram("streams_flush_seconds", "One flush, ledger to projections")
OUTBOX_RELAYED: Final = Counter("bridges_outbox_relayed", "Outbox rows confirmed by RabbitMQ")
OUTBOX_PENDING: Final = Gauge("bridges_outbox_pending", "Outbox rows not yet confirmed by RabbitMQ")
BRIDGED: Final = Counter("bridges_messages", "Messages carried over, acknowledged by the far side", ["bridge"])
VERIFY_DIFFERENCES: Final = Gauge("stack_verify_differences", "Figures and events that differed when last compared")
VERIFY_FIGURES: Final = Gauge("stack_verify_figures", "Figures that were compared the last time")
VERIFY_EVENTS: Final = Gauge("stack_verify_log_events", "Events of the log that were compared with the ledger")
VERIFY_WAITING: Final = Gauge("stack_verify_messages_waiting", "Messages in the log that were not counted yet")
VERIFY_LAST_RUN: Final = Gauge("stack_verify_last_run_timestamp_seconds", "When everything was last compared")
VERIFY_LAST_SUCCESS: Final = Gauge("stack_verify_last_success_timestamp_seconds", "When everything last agreed")
COMMANDS: Final = Counter("api_commands", "Commands taken from RabbitMQ", ["type", "outcome"])


def _redact(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    for name in event:
        if _is_secret(name):
            event[name] = "***"
    return event


@lru_cache(maxsize=1000)
def _is_secret(name: str) -> bool:
    return any(word in name.lower() for word in SECRET_WORDS)


class Seldom:
    """Says what is logged with `seldom` once in `every_s`, however often it is met, and how often it was met since; two
    with the same words and the same `seldom` are the same."""

    def __init__(self, every_s: float = 30, now: Callable[[], float] = time.monotonic) -> None:
        self._every_s, self._now = every_s, now
        self._told: dict[tuple[object, object], tuple[float, int]] = {}

    def __call__(self, _: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        """A processor of structlog's."""
        if (of := event.pop("seldom", None)) is None:
            return event
        at, met = self._told.get((event["event"], of), (float("-inf"), 0))
        if self._now() - at < self._every_s:
            self._told[event["event"], of] = at, met + 1
            raise structlog.DropEvent
        self._told[event["event"], of] = self._now(), 0
        return {**event, "met_since": met} if met else event


def start(service: str) -> structlog.stdlib.BoundLogger:
    """Set up this process's logs and, where `metrics_port` is set, its /metrics; answers its logger."""
    level = logging.getLevelNamesMapping()[settings().log_level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        Seldom(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="@timestamp"),
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.format_exc_info,
        _redact,
        structlog.processors.EventRenamer("message"),
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False  # nobody shows what they look up
    for loud in ("aiokafka", "aiormq", "aio_pika", "httpx2", "urllib3"):
        logging.getLogger(loud).setLevel(max(level, logging.WARNING))
    if settings().metrics_port:
        start_http_server(settings().metrics_port, settings().host, REGISTRY)
    return structlog.stdlib.get_logger(service).bind(**{"service.name": service})
