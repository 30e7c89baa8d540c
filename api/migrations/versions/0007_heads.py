"""An export begins with the head of the trail, so the role that serves it may read that."""

from api.migrations.scripts import run

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Let the app read heads; row-level security confines it to the organization's own."""
    run("0007_heads.sql")


def downgrade() -> None:
    """Nothing is to be taken away."""
