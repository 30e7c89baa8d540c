"""Two worlds: the installation of all tests, and one over a database of its own, whose gate a test may break."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import httpx2
import pytest
from pydantic import SecretStr

import wire.postgres
from api.app import create_app
from api.migrate import migrate
from tests.api.gate.world import World

URLS = ("postgres_url", "postgres_app_url", "postgres_relay_url", "postgres_import_url")


@pytest.fixture(scope="session")
async def world(client, app, make_team, settings, superuser) -> AsyncIterator[World]:
    pool = await wire.postgres.pool(settings.postgres_app_url)
    yield World(client, app, await make_team(), pool, superuser, asyncio.get_running_loop())
    await pool.close()


@pytest.fixture(scope="session")
async def scratch(settings, servers, names, make_team) -> AsyncIterator[World]:
    name = f"{names['database']}_scratch"
    admin = await asyncpg.connect(servers.postgres_url)
    await admin.execute(f"CREATE DATABASE {name} OWNER {names['owner']}")
    moved = {url: SecretStr(getattr(settings, url).get_secret_value().rsplit("/", 1)[0] + f"/{name}") for url in URLS}
    made = settings.model_copy(update=moved)
    await asyncio.to_thread(migrate, made)
    superuser = await asyncpg.create_pool(servers.postgres_url.rsplit("/", 1)[0] + f"/{name}", min_size=1, max_size=2)
    pool = await wire.postgres.pool(made.postgres_app_url)
    app = create_app(made)
    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://api") as client:
            team = await make_team(superuser)
            yield World(client, app, team, pool, superuser, asyncio.get_running_loop())
    await pool.close()
    await superuser.close()
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()
