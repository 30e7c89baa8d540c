"""Reads know their reader in the same statement; claims find what is due without looking at what waits."""

from api.migrations.scripts import run

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Create the function that lets a reader in, and bound the claims."""
    run("0008_reads.sql")


def downgrade() -> None:
    """Nothing is to be taken away: what was there before works with these, too."""
