"""The state machine: a piece's life in any order, one rule for each thing that can be tried with it."""

import asyncio
from typing import ClassVar

from hypothesis import HealthCheck, Phase
from hypothesis import settings as examples
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.api.gate.piece import Piece
from tests.api.gate.statements import SQL
from tests.api.gate.world import World

WRITERS = st.sampled_from(["org_admin", "editor"])
JUDGES = st.sampled_from(["super_admin", "org_admin", "approver"])
EVERYBODY = st.sampled_from(["super_admin", "org_admin", "editor", "approver", "viewer"])
ACTIONS = ["submit", "approve", "reject", "return", "publish", "schedule", "unschedule", "archive", "restore"]


class Life(RuleBasedStateMachine):
    """`world` is set by `search`, in a class of its own."""

    world: ClassVar[World]
    piece: Piece

    @initialize(imported=st.booleans(), so_far=st.integers(0, 3), steps=st.sampled_from([0, 0, 1, 2]))
    def begin(self, imported: bool, so_far: int, steps: int) -> None:
        self.piece = Piece(self.world, imported=imported)
        if steps:
            self.piece.policy(["approver", "org_admin"][:steps])
        self.piece.come_so_far(so_far)

    @rule(action=st.sampled_from(ACTIONS), role=EVERYBODY, bulk=st.booleans())
    def take(self, action: str, role: str, bulk: bool) -> None:
        self.piece.take(action, role, bulk=bulk)

    @rule(role=JUDGES, bulk=st.booleans())
    def approve(self, role: str, bulk: bool) -> None:
        self.piece.take("approve", role, bulk=bulk)

    @rule(action=st.sampled_from(["submit", "schedule", "publish"]), bulk=st.booleans())
    def go_on(self, action: str, bulk: bool) -> None:
        self.piece.take(action, "editor", bulk=bulk)

    @rule(role=WRITERS, body=st.sampled_from(["first", "other"]))
    def edit(self, role: str, body: str) -> None:
        self.piece.edit(role, body)

    @rule(
        steps=st.lists(st.sampled_from(["approver", "org_admin"]), min_size=1, max_size=3),
        days=st.sampled_from([1, 60]),
    )
    def policy(self, steps: list[str], days: int) -> None:
        self.piece.policy(steps, days)

    @rule(role=EVERYBODY, status=st.sampled_from(["active", "suspended", "inactive"]))
    def status(self, role: str, status: str) -> None:
        self.piece.status(role, status)

    @rule(role=JUDGES, other=EVERYBODY)
    def becomes(self, role: str, other: str) -> None:
        self.piece.becomes(role, other)

    @rule()
    def its_time_comes(self) -> None:
        self.piece.its_time_comes()

    @rule()
    def a_month_passes(self) -> None:
        self.piece.a_month_passes()

    @rule()
    def work(self) -> None:
        self.piece.work()

    @rule(true_hash=st.booleans(), organization=st.sampled_from(["own", "another"]))
    def forge_a_command(self, true_hash: bool, organization: str) -> None:
        self.piece.forge_a_command(true_hash=true_hash, organization=organization)

    @rule(which=st.sampled_from(sorted(SQL)), actor=EVERYBODY | st.just(""))
    def sql(self, which: str, actor: str) -> None:
        self.piece.sql(which, actor)

    @rule()
    def try_everything(self) -> None:
        self.piece.try_everything()

    @invariant()
    def what_is_published_was_approved_word_for_word(self) -> None:
        self.piece.check()

    def teardown(self) -> None:
        self.piece.try_everything()
        self.piece.check()


async def search(world: World, most: int, steps: int, *phases: Phase, derandomize: bool = False) -> None:
    """Run the machine in a thread: its steps come back to this loop. Raises AssertionError for a way through."""
    how = examples(
        max_examples=most,
        stateful_step_count=steps,
        phases=phases or tuple(Phase),
        derandomize=derandomize,
        database=None,
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    machine = type("Life", (Life,), {"world": world})
    await asyncio.to_thread(run_state_machine_as_test, machine, settings=how)
