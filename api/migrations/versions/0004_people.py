"""People: invitations, sessions with their refresh tokens, resets, second factors, API keys, outside identities."""

from api.migrations.scripts import run

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create everything."""
    run("0004_people.sql")


def downgrade() -> None:
    """Dropping second factors would open accounts that they protect: restore a backup instead."""
    raise NotImplementedError("second factors and sessions are not thrown away; restore a backup")
