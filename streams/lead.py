"""A group that nobody leads, and how a worker takes the lead.

Tansu keeps a leader that left while the group was forming, and has everybody wait for it for ever. Whoever asks as that
member has the lead. Apache Kafka chooses another leader by itself.
"""

from typing import Any, cast

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from aiokafka.protocol.admin import DescribeGroupsRequest
from aiokafka.protocol.group import LeaveGroupRequest

_log = structlog.stdlib.get_logger("streams.lead")


class Lead:
    """Listens to who leads a consumer's group. Where a join was in vain, and the leader that all waited for is a member
    no more, the next join is as that member. The members do so in turn, one more of them after each time."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self.leader = ""
        """the member that leads, as the broker said at this join"""
        self._in_vain = 0
        self._group = cast("Any", consumer)._coordinator  # noqa: SLF001  # no other way to it
        self._send, self._rejoin = self._group._send_req, self._group._do_rejoin_group  # noqa: SLF001
        self._group._send_req, self._group._do_rejoin_group = self._heard, self._joined  # noqa: SLF001

    async def _heard(self, request: Any) -> Any:
        response = await self._send(request)
        self.leader = getattr(response, "leader_id", "") or self.leader
        return response

    async def _joined(self, subscription: Any) -> Any:
        self.leader = ""
        done = await self._rejoin(subscription)
        if done or not self.leader or self.leader in (members := await self._members()):
            self._in_vain = 0
        elif self._group.member_id in members[: self._in_vain + 1]:
            _log.warning("nobody leads the group; taking the lead", leader=self.leader)
            await self._send(LeaveGroupRequest(self._group.group_id, self._group.member_id))
            self._group.member_id = self.leader
        else:
            self._in_vain += 1
        return done

    async def _members(self) -> list[str]:
        """The group's, sorted; the leader only where the broker does not say."""
        try:
            response = await self._send(DescribeGroupsRequest([self._group.group_id]))
        except KafkaError:
            return [self.leader]
        ((error, *_, members),) = ((group[0], group[5]) for group in response.groups)
        return [self.leader] if error else sorted(member[0] for member in members)
