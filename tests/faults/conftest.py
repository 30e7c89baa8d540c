"""One machine for all faults, and the seed from which everything random follows."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Final

import pytest

from tests.faults.machine import Machine
from tests.faults.stores import Stores
from tests.faults.trial import Trial

SEED: Final = int(os.environ["SEED"])


@asynccontextmanager
async def trial_in(folder: Path) -> AsyncIterator[Trial]:
    """A machine under load, whole and new."""
    kafka = os.environ.get("KAFKA") or "tansu"
    random = Random(SEED)
    async with Machine(folder, kafka, random) as machine:
        stores = await Stores.open(machine)
        yield Trial(machine, random, stores)
        await stores.close()


@pytest.fixture(scope="package")
async def trial(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Trial]:
    """A machine under load, to which anything may be done that ends by itself."""
    async with trial_in(tmp_path_factory.mktemp("faults")) as one:
        yield one
