"""qemu:///embed?root=DIR: libvirt's QEMU driver inside this process, without a daemon.

What a daemon would have been told by its own configuration is written to DIR first, and orphaned
QEMU processes are collected, which is the job of a daemon or an init elsewhere.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import threading
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from novalite.errors import DriverUnavailable

LOG = logging.getLogger(__name__)

QEMU_CONF = """\
# Written by novalite for qemu:///embed; kept as it is once it exists.
# Console logs are written by QEMU itself: there is no virtlogd.
stdio_handler = "file"
# QEMU runs as the user of novalite-compute, and nothing confines it further. Hosts of people who do
# not trust each other want a libvirt daemon (qemu:///system), which gives QEMU a user and a profile.
security_driver = "none"
namespaces = []
cgroup_controllers = []
dynamic_ownership = 0
remember_owner = 0
"""
OWN_USER = 'user = "+{uid}"\ngroup = "+{gid}"\n'

PR_SET_CHILD_SUBREAPER = 36  # prctl(2)
_reaper: threading.Thread | None = None
_lock = threading.Lock()


def root(uri: str) -> Path | None:
    """DIR of qemu:///embed?root=DIR; None for any other URI. DriverUnavailable when DIR is missing."""
    parts = urlsplit(uri)
    if parts.scheme != "qemu" or parts.path != "/embed":
        return None
    named = parse_qs(parts.query).get("root", [""])[0]
    if not named.startswith("/"):
        raise DriverUnavailable(reason=f"{uri} lacks an absolute folder; write qemu:///embed?root=/some/folder")
    return Path(named)


_LOG_VARIABLE = "LIBVIRT_LOG_OUTPUTS"


def prepare(uri: str) -> None:
    """Make DIR and its qemu.conf, and collect orphans from now on; nothing for other URIs."""
    folder = root(uri)
    if folder is None:
        return
    path = folder / "etc" / "qemu.conf"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            user = OWN_USER.format(uid=os.getuid(), gid=os.getgid()) if os.getuid() == 0 else ""
            path.write_text(QEMU_CONF + user)
    except OSError as error:
        raise DriverUnavailable(reason=f"{path} cannot be written: {error}") from error
    # libvirt reports through exceptions; what it also writes to stderr would garble the daemon's log.
    log = folder / "log"
    log.mkdir(exist_ok=True)
    os.environ.setdefault(_LOG_VARIABLE, f"3:file:{log / 'libvirt.log'}")
    collect_orphans()


def prepared(uri: str) -> None:
    """libvirt has read its environment: what `prepare` put there is not for programs this process starts."""
    folder = root(uri)
    if folder is not None and os.environ.get(_LOG_VARIABLE, "").endswith(f":{folder / 'log' / 'libvirt.log'}"):
        del os.environ[_LOG_VARIABLE]


def collect_orphans() -> None:
    """Become the parent of QEMU processes that detach themselves, and collect them when they end.

    libvirt waits for the process of a guest it stops to vanish. In a container whose first
    process collects orphans late or never, every stop would take seconds or fail.
    """
    global _reaper
    with _lock:
        if _reaper is not None:
            return
        if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
            LOG.warning("Orphaned QEMU processes are left to init: %s", os.strerror(ctypes.get_errno()))
            return
        _reaper = threading.Thread(target=_reap, name="reaper", daemon=True)
        _reaper.start()


def _reap() -> None:
    """Sleep until some child ends; only libvirt's are ours to collect, others have an owner."""
    pause = 0.02
    while True:
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)  # looks, does not collect
        except ChildProcessError:
            time.sleep(0.5)
            continue
        orphans = _orphans()
        for pid in orphans:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        pause = 0.02 if orphans else min(pause * 2, 0.5)
        time.sleep(pause)


def _orphans() -> list[int]:
    """Ended QEMU processes among our children that libvirt detached: they have a session of their own."""
    pids: list[int] = []
    for path in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):  # a thread that ended meanwhile
            pids += [int(pid) for pid in path.read_text().split()]
    return [pid for pid in pids if _is_orphan(pid)]


def _is_orphan(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    name, _, rest = stat.partition("(")[2].rpartition(")")
    state, _parent, _group, session = rest.split()[:4]
    return state == "Z" and name.startswith("qemu-system") and int(session) != os.getsid(0)
