"""A piece's life as PostgreSQL itself keeps it, and its schedule."""

from api.migrations.scripts import run

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Put the stricter gate in place of the first."""
    run("0003_approvals.sql")
    run("0003_gate.sql")
    run("0003_schedule.sql")


def downgrade() -> None:
    """The gate before this one let more through: restore a backup instead."""
    raise NotImplementedError("this migration has no way back; restore a backup")
