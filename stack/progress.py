"""Says what the supervisor does, a line for each thing that is new."""

from rich.console import Console

from stack.state import ChildState, State


class Progress:
    """Call it with every state; it remembers what it has said."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._said: set[str] = set()

    def __call__(self, state: State) -> None:
        """Say what is new in this state."""
        for note in state.notes:
            self._say(f"[yellow]•[/yellow] {note}")
        for name, child in state.children.items():
            if line := _line(name, child):
                self._say(line)

    def _say(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            self._console.print(line)


def waiting_for(state: State) -> str:
    """What is not ready yet, for a spinner."""
    names = [name for name, child in state.children.items() if child.condition in ("starting", "restarting", "waiting")]
    return f"waiting for {', '.join(names)}" if names else "preparing"


def _line(name: str, child: ChildState) -> str:
    match child.condition:
        case "ready":
            return f"[green]✓[/green] {name:<11} {child.address:<28} ready after {child.ready_after_s} s"
        case "external":
            return f"[green]✓[/green] {name:<11} {child.address:<28} not ours, from the environment"
        case "restarting":
            return f"[yellow]•[/yellow] {name} died and is started again (time {child.restarts})"
    return ""
