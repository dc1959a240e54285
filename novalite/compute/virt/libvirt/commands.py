"""Programs that make disks, run with argument lists, a deadline and limits on memory and CPU time."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from novalite.errors import DriverError

LOG = logging.getLogger(__name__)

PACKAGES = {
    "qemu-img": "qemu-utils",
    "mkswap": "util-linux",
    "fallocate": "util-linux",
    "prlimit": "util-linux",
    "mkfs.xfs": "xfsprogs",
    "mkfs.vfat": "dosfstools",
    "mformat": "mtools",
    "mcopy": "mtools",
}
"""Debian package of each program; e2fsprogs brings the others."""

MEMORY = 1 << 30
"""Bytes of address space: qemu-img needs 150 MB; a crafted image must not take the host's memory."""

STACK, ARENAS = 2 << 20, "2"
"""Bytes of a thread's stack, and heaps of a process. qemu-img begins many threads; with 8 MB and a heap of 64 MB for
each (malloc(3), M_ARENA_MAX) it took 620 MB, and has met the limit: "qemu_thread_create: Resource temporarily
unavailable"."""

CHECKED = 0.2
"""Seconds between looks whether a program is still wanted."""

_SYSTEM_FOLDERS = ("/usr/sbin", "/sbin")  # not in every daemon's PATH


def run(
    program: str, *words: str | Path, seconds: float, check: Callable[[], None] = lambda: None
) -> str:
    """Run a program and return what it printed; DriverError says why it failed. `check` is called a few times a
    second; what it raises ends the program.

    oslo.concurrency's execute is not used: on a time-out it leaves the program running, its limits
    cost an interpreter start per command, and it runs Python between fork and exec, which can
    deadlock in a daemon of many threads. prlimit(1) costs 1 ms.
    """
    most = [f"--as={MEMORY}", f"--stack={STACK}", f"--cpu={max(1, int(seconds))}", "--core=0"]
    limits = [_find("prlimit"), *most, "--"]
    argv = [*limits, _find(program), *(str(word) for word in words)]
    try:
        done = _done(argv, time.monotonic() + seconds, check)
    except subprocess.TimeoutExpired as error:
        raise DriverError(reason=f"{program} was not done within {seconds:g} seconds and was ended") from error
    except OSError as error:
        raise DriverError(reason=f"{program} could not be run: {error}") from error
    if done.returncode:
        said = done.stderr.strip() or done.stdout.strip()
        LOG.warning("%s ended with %s: %s", " ".join(argv[len(limits) :]), done.returncode, said)
        why = "; ".join(said.splitlines()[-3:]) or f"exit code {done.returncode}"
        raise DriverError(reason=f"{program}: {why.removeprefix(program + ': ')}")
    return done.stdout


def _done(
    argv: list[str], deadline: float, check: Callable[[], None]
) -> subprocess.CompletedProcess[str]:
    """The program's end. Raises TimeoutExpired, and what `check` raises; then the program has been killed."""
    with subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env={**os.environ, "LC_ALL": "C", "MALLOC_ARENA_MAX": ARENAS},
    ) as process:
        try:
            while True:
                check()
                left = deadline - time.monotonic()
                try:
                    out, err = process.communicate(timeout=min(CHECKED, max(0.0, left)))
                    return subprocess.CompletedProcess(argv, process.returncode, out, err)
                except subprocess.TimeoutExpired:
                    if left <= 0:
                        raise
        except BaseException:
            process.kill()
            raise


def _find(program: str) -> str:
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *_SYSTEM_FOLDERS])
    found = shutil.which(program, path=path)
    if found is None:
        package = PACKAGES.get(program, "e2fsprogs")
        raise DriverError(reason=f"{program} is not installed on this host; apt-get install {package}")
    return found
