"""Commands that wait or are dead, where they can be seen; published outbox rows are let go."""

from api.migrations.scripts import run

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Create the table, and let the relay purge."""
    run("0006_commands.sql")


def downgrade() -> None:
    """What waits would be lost."""
    raise NotImplementedError("this migration has no way back; restore a backup")
