"""What the private services share: a state folder, remembered settings, `with`."""

from __future__ import annotations

import json
import shutil
import tempfile
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy.dev import guard
from deploy.dev.ports import free_port


class Service(ABC):
    """A private service with its files in `state`, or in a folder that vanishes at `stop()`.

    With `keep` it outlives this process and is stopped by a later one that names the same folder;
    otherwise it ends with this process, however that ends.
    """

    name: str

    def __init__(self, state: Path | None = None, *, keep: bool = False) -> None:
        self._own = state is None
        # Short, because a UNIX socket path may have 107 characters only.
        self.state = state.resolve() if state else Path(tempfile.mkdtemp(prefix="novalite-"))
        self.data = self.state / self.name
        self.keep = keep

    @abstractmethod
    def start(self) -> Self:
        """Start it, unless it runs already, and return once it answers."""

    @abstractmethod
    def end(self) -> None:
        """End its processes."""

    def stop(self) -> None:
        """End its processes; a folder of our own making goes too."""
        self.end()
        if self._own:
            shutil.rmtree(self.state, ignore_errors=True)

    def prepare(self) -> None:
        """Make the folders; have the service ended should this process die."""
        self.data.mkdir(parents=True, exist_ok=True)
        if self._own:
            self.state.chmod(0o711)
        if not self.keep:
            remove = [["rm", "-rf", str(self.state)]] if self._own else []
            guard.watch(self.state, *self.cleanup(), *remove)

    def cleanup(self) -> list[list[str]]:
        """Commands that remove what is more than processes and files."""
        return []

    def port(self, purpose: str) -> int:
        """The port for `purpose`: chosen once, the same after a restart; 0 before the first start."""
        if not self.data.exists():
            return 0
        path = self.data / "ports.json"
        chosen: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}
        if purpose not in chosen:
            chosen[purpose] = free_port()
            path.write_text(json.dumps(chosen))
        return chosen[purpose]

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
