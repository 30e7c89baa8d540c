"""How far the bodies that are stored were compared with what the present cleaner makes of them."""

from api.migrations.scripts import run

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Create the table; the comparing itself is done in batches, after the migrations."""
    run("0011_cleanings.sql")


def downgrade() -> None:
    """Revisions that were made by it stay."""
    raise NotImplementedError("this migration has no way back; restore a backup")
