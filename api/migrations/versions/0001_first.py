"""The first shape: organizations, users, content, write keys, the outbox, and who may see what."""

from api.migrations.scripts import run

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create everything."""
    run("0001_tables.sql")
    run("0001_confinement.sql")


def downgrade() -> None:
    """There is nothing before the first: drop the database instead."""
    raise NotImplementedError("the first migration has no way back; drop the database")
