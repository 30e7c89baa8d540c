"""Bring PostgreSQL to the newest shape, and what is stored in it to what readers get."""

import asyncio
from pathlib import Path

from alembic import command
from alembic.config import Config

from api.content.cleaning import clean_stored
from wire.settings import Settings


def migrate(settings: Settings) -> None:
    """Migrate as the owner; blocks, and must not be called on an event loop's thread.

    Raises ValueError for a role that would not be confined, OSError and asyncpg's errors where PostgreSQL refuses.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["settings"] = settings
    command.upgrade(config, "head")
    asyncio.run(clean_stored(settings))
