"""One machine for all faults, and the seed from which everything random follows."""

import os
from collections.abc import AsyncIterator
from random import Random
from typing import Final

import pytest

from tests.faults.machine import Machine
from tests.faults.stores import Stores
from tests.faults.trial import Trial

SEED: Final = int(os.environ["SEED"])


@pytest.fixture(scope="package")
async def trial(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Trial]:
    """A machine under load, to which anything may be done that ends by itself."""
    kafka = os.environ.get("KAFKA") or "tansu"
    random = Random(SEED)
    async with Machine(tmp_path_factory.mktemp("faults"), kafka, random) as machine:
        stores = await Stores.open(machine)
        yield Trial(machine, random, stores)
        await stores.close()
