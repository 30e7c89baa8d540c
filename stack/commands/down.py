"""`tallywire down`."""

import os
import signal
import time
from typing import Final

from rich.console import Console

from stack import processes, state
from stack.commands.options import Data
from stack.errors import Refused
from stack.folder import Folder, folder_at

LONGEST_SECONDS: Final = 120


def down(data: Data = None) -> None:
    """Stop everything, services first; data stays."""
    console = Console(highlight=False, soft_wrap=True)
    folder = folder_at(data)
    with console.status("stopping"):
        console.print(stop(folder))


def stop(folder: Folder) -> str:
    """Stop whatever runs on this folder; answers what there was to stop. Raises Refused where it does not end."""
    known = state.read(folder)
    if not state.is_running(folder):
        left = [child.process for child in known.children.values() if child.process] if known else []
        here = known is not None and known.boot == processes.boot_id()
        count = processes.end_leftovers(left) if here else 0
        return f"Ended {count} of a dead supervisor's children." if count else "Nothing runs."
    if known is None or known.supervisor is None or not processes.lives(known.supervisor):
        raise Refused("A supervisor is just starting; try again in a moment")
    os.kill(known.supervisor.pid, signal.SIGTERM)
    end = time.monotonic() + LONGEST_SECONDS
    while state.is_running(folder) or processes.lives(known.supervisor):
        if time.monotonic() > end:
            raise Refused(f"It has not stopped within {LONGEST_SECONDS} s: see `tallywire logs supervisor`")
        time.sleep(0.1)
    return "Stopped."
