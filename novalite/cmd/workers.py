"""Several API processes behind one listening socket, started, watched and ended by a parent.

The parent binds the address, so a taken port is found before anything starts, and children that die
are started again while the others go on.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

from oslo_config import cfg

from novalite import metrics
from novalite.daemon import Life
from novalite.periodic import Periodic

LOG = logging.getLogger(__name__)
RESTARTS = metrics.Counter("novalite_worker_restarts_total", "Worker processes that died and were replaced.")
LISTEN_FD = "NOVALITE_LISTEN_FD"
"""Environment variable that tells a child which inherited descriptor listens."""
LONGEST_PAUSE = 30.0
"""Seconds between attempts to start a worker that dies again and again."""
PR_SET_PDEATHSIG = 1


def inherited() -> socket.socket | None:
    """In a worker: the parent's listening socket. Also asks the kernel to end us when the parent is gone."""
    number = os.environ.get(LISTEN_FD)
    if number is None:
        return None
    import ctypes

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    return socket.socket(fileno=int(number))


class WorkersPart:
    """The parent's only part: `conf.api.workers` copies of this very command."""

    name = "workers"

    def __init__(self, conf: cfg.ConfigOpts, listening: socket.socket, argv: Sequence[str]) -> None:
        self.conf, self._socket, self._argv = conf, listening, list(argv)
        self.port: int = listening.getsockname()[1]
        self._children: dict[int, subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()
        self._ending = False

    def start(self, life: Life) -> None:
        """Start every worker and a thread that watches each."""
        for number in range(self.conf.api.workers):
            self._spawn(number)
            watch = threading.Thread(target=self._watch, args=(number, life), daemon=True)
            watch.start()

    def stop(self, grace: float) -> bool:
        """Let workers end gracefully; what still runs after `grace` seconds is killed."""
        with self._lock:
            self._ending = True
        self.signal(signal.SIGTERM)
        self._socket.close()
        deadline = time.monotonic() + grace
        done = True
        for child in self._children.values():
            try:
                child.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
                done = False
        return done

    def reload(self) -> None:
        """Workers read their configuration again too."""
        self.signal(signal.SIGHUP)

    def signal(self, number: int) -> None:
        """Send a signal to every worker that runs."""
        with self._lock:
            for child in self._children.values():
                if child.poll() is None:
                    child.send_signal(number)

    def periodics(self) -> Sequence[Periodic]:
        """None."""
        return ()

    def health(self) -> dict[str, Any]:
        """Pids of the workers that run; a problem when fewer than wanted do."""
        pids = [child.pid for child in self._children.values() if child.poll() is None]
        missing = self.conf.api.workers - len(pids)
        problem = {"problem": f"{missing} workers do not run"} if missing and not self._ending else {}
        return {"port": self.port, "pids": pids, **problem}

    def _spawn(self, number: int) -> None:
        with self._lock:
            if self._ending:
                return
            descriptor = self._socket.fileno()
            # NOTIFY_SOCKET is the parent's alone: systemd takes word from no other process.
            inherited = {name: value for name, value in os.environ.items() if name != "NOTIFY_SOCKET"}
            self._children[number] = subprocess.Popen(
                [sys.executable, "-m", "novalite.cmd.api", *self._argv],
                env={**inherited, LISTEN_FD: str(descriptor)},
                pass_fds=[descriptor],
                start_new_session=True,  # so that Ctrl-C reaches the parent alone
            )

    def _watch(self, number: int, life: Life) -> None:
        pause = 1.0
        while not self._ending:
            began = time.monotonic()
            code = self._children[number].wait()
            if self._ending:
                return
            RESTARTS.add()
            pause = 1.0 if time.monotonic() - began > LONGEST_PAUSE else min(pause * 2, LONGEST_PAUSE)
            LOG.error("Worker %d ended by itself with %s; the next starts in %g seconds", number, code, pause)
            life.ending.wait(pause)
            self._spawn(number)
