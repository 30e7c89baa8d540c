"""A group that nobody leads, and how a worker takes the lead.

Tansu keeps a leader that left while the group was forming, and has everybody wait for it for ever. Whoever asks as that
member has the lead. Apache Kafka does not know it any more, and gives a new id.
"""

from typing import Any, cast

import structlog
from aiokafka import AIOKafkaConsumer

_log = structlog.stdlib.get_logger("streams.lead")


class Lead:
    """Listens to who leads a consumer's group; where it is `wanted`, the next join is as that member."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self.wanted = False
        self.leader = ""
        """the member that leads, as the broker last said"""
        self._group = cast("Any", consumer)._coordinator  # noqa: SLF001  # no other way to it
        self._send, self._rejoin = self._group._send_req, self._group._do_rejoin_group  # noqa: SLF001
        self._group._send_req, self._group._do_rejoin_group = self._heard, self._joined  # noqa: SLF001

    async def _heard(self, request: Any) -> Any:
        response = await self._send(request)
        self.leader = getattr(response, "leader_id", "") or self.leader
        return response

    async def _joined(self, subscription: Any) -> Any:
        if self.wanted and self.leader:
            _log.warning("nobody leads the group; taking the lead", leader=self.leader)
            self._group.member_id, self.wanted = self.leader, False
        return await self._rejoin(subscription)
