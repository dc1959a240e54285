"""The life of a daemon: start with patience, live with a heartbeat, re-read on SIGHUP, end gracefully.

A daemon runs one or more parts (the all-in-one runs four). The interpreter writes the number of each
signal to a pipe; what they mean happens in the main thread, on threads and on eventlet alike.

    SIGTERM, SIGINT   take nothing new, finish or hand over within graceful_shutdown_timeout; again: now
    SIGHUP            read the configuration again and apply what may change while running
"""

from __future__ import annotations

import logging
import os
import select
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from oslo_config import cfg

from novalite import __version__, health, log, metrics
from novalite.conf.load import dump
from novalite.errors import ConfigError, NovaliteError, Unavailable
from novalite.periodic import Periodic, PeriodicRunner
from novalite.rpc.bus import Bus

LOG = logging.getLogger(__name__)
STATE = metrics.Gauge("novalite_up", "1 when the daemon is ready, 0 while it starts or stops.", "program")
END_SIGNALS = (signal.SIGTERM, signal.SIGINT)
HURRY = 2.0
"""Seconds to end for a daemon that never became ready."""


class Life:
    """What parts may know of the daemon they run in."""

    def __init__(self, retry_interval: float) -> None:
        self.retry_interval = retry_interval
        self.ending = threading.Event()

    def insist(self, what: str, work: Callable[[], Any]) -> bool:
        """Do `work()` until it stops raising Unavailable, saying so once per retry_interval seconds.

        False when the daemon ends meanwhile. Other errors are raised.
        """
        while not self.ending.is_set():
            try:
                work()
                return True
            except Unavailable as error:
                LOG.warning("%s: %s Trying again in %g seconds.", what, error, self.retry_interval)
                self.ending.wait(self.retry_interval)
        return False


class Part(Protocol):
    """One service inside a daemon."""

    name: str

    def start(self, life: Life) -> None:
        """Become ready; may take long, and must return early once `life.ending` is set."""

    def stop(self, grace: float) -> bool:
        """Take nothing new and finish within `grace` seconds. True when nothing is left undone."""

    def reload(self) -> None:
        """The configuration was read again."""

    def periodics(self) -> Sequence[Periodic]:
        """Work to repeat while the daemon lives."""

    def health(self) -> dict[str, Any]:
        """Facts for the health answer; a true `problem` makes it 503."""


class Daemon:
    """Runs `parts`, in order, on one bus. `run()` must be called in the main thread."""

    def __init__(
        self,
        prog: str,
        conf: cfg.ConfigOpts,
        bus: Bus,
        parts: Sequence[Part],
        on_ready: Callable[[], None] = lambda: None,
    ) -> None:
        self.prog, self.conf, self.bus, self.parts, self.on_ready = prog, conf, bus, parts, on_ready
        self.life = Life(conf.start_retry_interval)
        self.runner = PeriodicRunner()
        self.state = "starting"
        self.exit_code = 0
        self.failure = ""
        self._began = time.monotonic()
        self._read, self._write = os.pipe()
        self._health: health.HealthServer | None = None

    def run(self) -> int:
        """Live until told to end; answers the exit code. Raises ConfigError before anything runs."""
        pid_file = PidFile(self.conf.pid_file) if self.conf.pid_file else None
        self._health = health.serve(self.conf, self.prog, self.report)
        self._catch_signals()
        LOG.info("%s %s starts on %s, pid %d", self.prog, __version__, self.conf.host, os.getpid())
        dump(self.conf)
        threading.Thread(target=self._start, name="start", daemon=True).start()
        try:
            self._obey_signals()
            self._stop()
        finally:
            if pid_file:
                pid_file.remove()
        return self.exit_code

    def end(self, exit_code: int = 0) -> None:
        """Ask the daemon to end, as SIGTERM does; from any thread."""
        self.exit_code = self.exit_code or exit_code
        self.life.ending.set()
        os.write(self._write, bytes([signal.SIGTERM]))

    def report(self) -> dict[str, Any]:
        """The health answer: state, version, uptime and what each part says."""
        parts = {part.name: part.health() for part in self.parts}
        ok = self.state == "ready" and not any(facts.get("problem") for facts in parts.values())
        return {
            "status": "ok" if ok else self.state if self.state != "ready" else "impaired",
            "program": self.prog,
            "version": __version__,
            "host": self.conf.host,
            "uptime": round(time.monotonic() - self._began, 1),
            "parts": parts,
        }

    # --- starting ------------------------------------------------------------------------------

    def _start(self) -> None:
        try:
            if not self.life.insist("Start", self.bus.check):
                return
            for part in self.parts:
                part.start(self.life)
                if self.life.ending.is_set():
                    return
                self.runner.add(*part.periodics())
            self.runner.start()
            self.state = "ready"
            STATE.set(1, self.prog)
            LOG.info("%s is ready after %.2f seconds", self.prog, time.monotonic() - self._began)
            self.on_ready()
            notify_systemd("READY=1")
        except ConfigError as error:
            LOG.critical("%s", error)
            self.failure = str(error)
            self.end(2)
        except Exception as error:
            LOG.critical("%s cannot start", self.prog, exc_info=True)
            self.failure = f"{type(error).__name__}: {error}"
            self.end(1)

    # --- signals -------------------------------------------------------------------------------

    def _catch_signals(self) -> None:
        for number in END_SIGNALS:
            signal.signal(number, self._on_end)
        signal.signal(signal.SIGHUP, lambda *_: None)
        os.set_blocking(self._write, False)
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)

    def _on_end(self, _number: int, _frame: Any) -> None:
        if self.life.ending.is_set():
            os._exit(self.exit_code or 1)  # asked twice: no more patience

    def _obey_signals(self) -> None:
        """Return when the daemon is to end."""
        while True:
            select.select([self._read], [], [])
            told = os.read(self._read, 64)
            if any(number in told for number in END_SIGNALS):
                self.life.ending.set()
                return
            if signal.SIGHUP in told:
                self.reload()

    def reload(self) -> None:
        """Read the configuration files again and apply what may change; a bad file changes nothing."""
        try:
            changed = self.conf.mutate_config_files()
            log.set_levels(self.conf)
            for part in self.parts:
                part.reload()
            self.runner.replan()
        except (cfg.Error, NovaliteError, ValueError) as error:
            LOG.error("The configuration was not taken over: %s", str(error).strip())
            return
        names = [".".join(filter(None, (group and str(group), name))) for group, name in changed or {}]
        LOG.info("The configuration was read again; changed: %s", ", ".join(names) or "nothing")

    # --- ending --------------------------------------------------------------------------------

    def _stop(self) -> None:
        was_ready, self.state = self.state == "ready", "stopping"
        STATE.set(0, self.prog)
        notify_systemd("STOPPING=1")
        grace = self.conf.graceful_shutdown_timeout
        deadline = time.monotonic() + (grace if was_ready else min(grace, HURRY))
        LOG.info("%s ends; work in hand has %g seconds", self.prog, grace)
        self.runner.stop()
        done = True
        for part in reversed(self.parts):
            done = self._stop_part(part, max(0.0, deadline - time.monotonic())) and done
        done = self.runner.stop(max(0.0, deadline - time.monotonic())) and done
        self.bus.close()
        if self._health:
            self._health.close()
        LOG.info("%s ended%s", self.prog, "" if done else "; unfinished work is left to others")

    @staticmethod
    def _stop_part(part: Part, grace: float) -> bool:
        try:
            return part.stop(grace)
        except Exception:
            LOG.exception("%s did not end in order", part.name)
            return False


class PidFile:
    """The process id in a file, locked while the process lives; a second daemon is refused."""

    def __init__(self, path: str) -> None:
        import fcntl

        self.path = Path(path)
        try:
            self._file = self.path.open("a+")
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(reason=f"[DEFAULT] pid_file: {path} belongs to a running daemon") from None
        except OSError as error:
            raise ConfigError(reason=f"[DEFAULT] pid_file: {error}") from error
        self._file.truncate(0)
        self._file.write(f"{os.getpid()}\n")
        self._file.flush()

    def remove(self) -> None:
        """Remove the file; the lock ends with the process."""
        self.path.unlink(missing_ok=True)


def notify_systemd(state: str) -> None:
    """Tell systemd (Type=notify) how we are; nothing outside systemd."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
            link.connect("\0" + address[1:] if address.startswith("@") else address)
            link.send(state.encode())
    except OSError as error:
        LOG.warning("systemd was not told %s: %s", state, error)
