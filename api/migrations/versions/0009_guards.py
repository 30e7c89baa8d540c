"""What the role that serves requests may no longer do by plain SQL: bring in pieces, give out roles."""

from api.migrations.scripts import run

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Take the rights away, and put the function and the triggers in their place."""
    run("0009_imports.sql")
    run("0009_roles.sql")


def downgrade() -> None:
    """The rights before these let more through: restore a backup instead."""
    raise NotImplementedError("this migration has no way back; restore a backup")
