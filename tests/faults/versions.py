"""Workers that run other code than the supervised ones: of another group, or of an older revision."""

import asyncio
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from tests.faults.trial import PROGRESS_AFTER_DEATH_S, Trial

ROOT: Final = Path(__file__).parents[2]
FOLDERS: Final = ("streams", "ingestion", "wire")


async def two_owners(trial: Trial) -> None:
    """A worker of another consumer group: two count every partition to the same stores, and nobody fences either."""
    code = copy(trial.machine.folder / "code", os.environ.get("OLD"))
    app = code / "streams" / "app.py"
    text = app.read_text()
    assert text.count('"streams",\n') == 1
    app.write_text(text.replace('"streams",\n', '"streams-of-others",\n'))
    async with trial.machine.beside("streams", code=code):
        await asyncio.sleep(20 if trial.long else 5)
        await trial.machine.kill("streams")
        await trial.progress(PROGRESS_AFTER_DEATH_S)


async def mixed(trial: Trial) -> None:
    """A collector and a worker of an older revision come; the old worker must do all the work alone; they go."""
    code = copy(trial.machine.folder / "older", older())
    async with trial.machine.beside("streams", code), trial.machine.beside("ingestion", code) as collector:
        trial.load.doors.append(collector.address)
        await trial.progress(PROGRESS_AFTER_DEATH_S)
        async with trial.machine.frozen("streams"):
            await trial.progress(PROGRESS_AFTER_DEATH_S)
        trial.load.doors.pop()
    await trial.progress(PROGRESS_AFTER_DEATH_S)


def older() -> str | None:
    """The revision OLD, or the one before the last change of what runs here; None where the checkout knows no other."""
    if named := os.environ.get("OLD"):
        return named
    asked = ["git", "-C", str(ROOT), "log", "-2", "--format=%H", "--", *FOLDERS]
    found = subprocess.run(asked, check=False, capture_output=True, text=True).stdout.split()
    return found[1] if len(found) == 2 else None


def copy(to: Path, revision: str | None) -> Path:
    """The code of a revision, or as it stands here, in a folder of its own."""
    shutil.rmtree(to, ignore_errors=True)
    to.mkdir()
    if revision:
        archive = ["git", "-C", str(ROOT), "archive", revision, *FOLDERS]
        tar = subprocess.run(archive, check=True, stdout=subprocess.PIPE).stdout
        subprocess.run(["tar", "-x", "-C", str(to)], check=True, input=tar)
    else:
        for name in FOLDERS:
            shutil.copytree(ROOT / name, to / name, ignore=shutil.ignore_patterns("__pycache__"))
    return to
