"""Background processes that are found again by pid file and ended by pid, never by name."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

SYSTEM_FOLDERS = ("/usr/sbin", "/sbin", "/usr/bin", "/bin")


class NotInstalled(RuntimeError):
    """A program is not on this machine; the message says which package brings it."""


class NotReady(RuntimeError):
    """Something did not happen in time; the message says what, and shows the end of the log."""


def need(program: str, package: str, *folders: str) -> str:
    """Find `program` in `folders`, PATH or the system folders; say what to install otherwise."""
    path = os.pathsep.join([*folders, os.environ.get("PATH", ""), *SYSTEM_FOLDERS])
    found = shutil.which(program, path=path)
    if found is None:
        raise NotInstalled(
            f"{program} is not installed: run deploy/install-deps as root, "
            f"or apt-get install {package}"
        )
    return found


def wait_for(
    what: str,
    check: Callable[[], object],
    seconds: float,
    *,
    every: float = 0.05,
    unless: Callable[[], str | None] = lambda: None,
) -> None:
    """Return once `check()` is true; raise NotReady after `seconds` or once `unless()` complains."""
    deadline = time.monotonic() + seconds
    while not check():
        complaint = unless()
        if complaint:
            raise NotReady(f"{what}: {complaint}")
        if time.monotonic() > deadline:
            raise NotReady(f"{what}: not within {seconds:g} s")
        time.sleep(every)


def tail(path: Path, lines: int = 15) -> str:
    """The end of a log file, for error messages."""
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""


def started(pid: int) -> str | None:
    """When `pid` started, in clock ticks since boot; None when it is gone or a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]


def record(pid_file: Path, pid: int) -> None:
    """Write the pid, and beside it the start time that tells it from a recycled pid."""
    pid_file.parent.mkdir(parents=True, exist_ok=True)
    _start_file(pid_file).write_text(started(pid) or "gone")
    pid_file.write_text(f"{pid}\n")


def running(pid_file: Path) -> int | None:
    """The pid in the file, if that very process still runs."""
    try:
        pid = int(pid_file.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None
    start = started(pid)
    if start is None:
        return None
    with contextlib.suppress(OSError):
        return pid if _start_file(pid_file).read_text() == start else None
    # A pid file the program wrote itself, like QEMU's: its name must fit the process.
    return pid if _wrote(pid, pid_file) else None


def end(pid_file: Path, *, seconds: float = 10, first: int = signal.SIGTERM) -> None:
    """Ask the process to end, insist after `seconds`, then end what it left in its group."""
    pid = running(pid_file)
    if pid is not None:
        leads = _leads_group(pid)
        _signal(pid, first)
        deadline = time.monotonic() + seconds
        while started(pid) is not None and time.monotonic() < deadline:
            reap(pid)
            time.sleep(0.02)
        if leads:
            _signal(-pid, signal.SIGKILL)
        elif started(pid) is not None:
            _signal(pid, signal.SIGKILL)
        deadline = time.monotonic() + 5
        while started(pid) is not None and time.monotonic() < deadline:
            time.sleep(0.02)
        reap(pid)
    pid_file.unlink(missing_ok=True)
    _start_file(pid_file).unlink(missing_ok=True)


def reap(pid: int) -> None:
    """Collect the exit status if the process was our own child."""
    with contextlib.suppress(ChildProcessError, OSError):
        os.waitpid(pid, os.WNOHANG)


def _start_file(pid_file: Path) -> Path:
    return pid_file.with_name(f".{pid_file.name}.start")


def _wrote(pid: int, pid_file: Path) -> bool:
    """Whether the command line of `pid` names the stem of the pid file, as daemons' own do."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
    except OSError:
        return False
    return pid_file.stem.encode() in command or str(pid_file.parent).encode() in command


def _leads_group(pid: int) -> bool:
    try:
        return os.getpgid(pid) == pid
    except ProcessLookupError:
        return False


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


class Daemon:
    """One background process: pid in `STATE/run/NAME.pid`, output in `STATE/log/NAME.log`."""

    def __init__(
        self,
        name: str,
        state: Path,
        argv: Sequence[str | Path] = (),
        *,
        env: Mapping[str, str] | None = None,
        stop_signal: int = signal.SIGTERM,
        stop_seconds: float = 10,
    ) -> None:
        self.name = name
        self.argv = [str(word) for word in argv]
        self.env = {**os.environ, **(env or {})}
        self.pid_file = state / "run" / f"{name}.pid"
        self.log_file = state / "log" / f"{name}.log"
        self.stop_signal = stop_signal
        self.stop_seconds = stop_seconds
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The pid while it runs."""
        if self._child is not None:
            self._child.poll()
        return running(self.pid_file)

    def start(self) -> Daemon:
        """Start it in a session of its own, unless it already runs."""
        if self.pid is None:
            self.log_file.parent.mkdir(parents=True, exist_ok=True)
            with self.log_file.open("ab") as log:
                self._child = subprocess.Popen(
                    self.argv,
                    env=self.env,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            record(self.pid_file, self._child.pid)
        return self

    def stop(self) -> None:
        """Ask it to end, insist after `stop_seconds`."""
        end(self.pid_file, seconds=self.stop_seconds, first=self.stop_signal)
        self._collect()

    def kill(self) -> None:
        """SIGKILL, to it and whatever it started in its own session."""
        end(self.pid_file, seconds=0, first=signal.SIGKILL)
        self._collect()

    def wait_until(self, what: str, check: Callable[[], object], seconds: float) -> None:
        """Wait for `check()`, giving up at once when the process ends; shows its log."""
        try:
            wait_for(what, check, seconds, unless=self._ended)
        except NotReady as late:
            raise NotReady(f"{late}\n--- end of {self.log_file}\n{tail(self.log_file)}") from None

    def _ended(self) -> str | None:
        return None if self.pid is not None else f"{self.name} ended by itself"

    def _collect(self) -> None:
        if self._child is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(5)
            self._child = None
