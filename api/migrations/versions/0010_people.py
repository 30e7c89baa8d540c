"""Whoever visits another organization may send an `Idempotency-Key` there, too; what only grows has an end."""

from api.migrations.scripts import run

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Loosen one constraint; let the app forget what is long over."""
    run("0010_people.sql")


def downgrade() -> None:
    """What was forgotten does not come back."""
    raise NotImplementedError("this migration has no way back; restore a backup")
