"""Content at size: one index for every filter and order, full-text search, idempotency, comments, assignments."""

from api.migrations.scripts import run

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create everything; fill the search index from what is there."""
    run("0005_catalogue.sql")
    run("0005_work.sql")


def downgrade() -> None:
    """Comments and assignments are not to be thrown away: restore a backup instead."""
    raise NotImplementedError("comments and assignments are not thrown away; restore a backup")
