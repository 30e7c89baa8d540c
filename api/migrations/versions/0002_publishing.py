"""Publishing: revisions, approvals and their policies, the gate, and the audit trail."""

from api.migrations.scripts import run

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create everything."""
    run("0002_audit.sql")
    run("0002_publishing.sql")
    run("0002_gate.sql")


def downgrade() -> None:
    """What was approved, and the trail of it, is not to be thrown away: restore a backup instead."""
    raise NotImplementedError("revisions, approvals and the audit trail are not thrown away; restore a backup")
