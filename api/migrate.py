"""Bring PostgreSQL to the newest shape."""

from pathlib import Path

from alembic import command
from alembic.config import Config

from wire.settings import Settings


def migrate(settings: Settings) -> None:
    """Migrate as the owner; blocks, and must not be called on an event loop's thread.

    Raises ValueError for a role that would not be confined, OSError and asyncpg's errors where PostgreSQL refuses.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["settings"] = settings
    command.upgrade(config, "head")
