"""A private libvirtd with its virtlogd, beside whatever the system runs.

As root libvirtd has its folders compiled in, so it gets a mount namespace in which they are ours.
An ordinary user's libvirtd follows XDG variables and needs no such thing.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from deploy.dev.processes import Daemon, end, need, running
from deploy.dev.service import Service

# What libvirt finds under each fixed path, as folders of our own.
FOLDERS = {
    "etc": "/etc/libvirt",
    "run": "/run/libvirt",
    "lib": "/var/lib/libvirt",
    "cache": "/var/cache/libvirt",
    "log": "/var/log/libvirt",
}


class Libvirtd(Service):
    """One libvirtd; `uri` is how to reach it from the root namespaces, `qemu_conf` more lines for its qemu.conf."""

    def __init__(
        self,
        state: Path | None = None,
        *,
        name: str = "libvirtd",
        keep: bool = False,
        netns: str | None = None,
        address: str | None = None,
        hosts_file: Path | None = None,
        qemu_conf: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.qemu_conf = list(qemu_conf)
        super().__init__(state, keep=keep)
        self.netns = netns
        self.address = address
        self.hosts_file = hosts_file
        self.privileged = os.geteuid() == 0
        self.run = self.data / "run" if self.privileged else self.data / "run" / "libvirt"

    @property
    def uri(self) -> str:
        """Where clients connect, whatever namespaces this libvirtd lives in."""
        mode = "system" if self.privileged else "session"
        return f"qemu:///{mode}?socket={self.run / 'libvirt-sock'}"

    def start(self) -> Self:
        """Start what does not run yet; return once libvirtd listens (under a second)."""
        need("libvirtd", "libvirt-daemon-system")
        need("virtlogd", "libvirt-daemon-system")
        self.prepare()
        self._configure()
        if self.privileged:
            holder = self._holder().start()
            holder.wait_until(f"namespaces of {self.name}", (self.data / "held").exists, 10)
        self._start_daemons()
        return self

    def end(self) -> None:
        """End the daemons, the guests and the namespaces."""
        self._halt(signal.SIGTERM)
        self._holder().stop()
        (self.data / "held").unlink(missing_ok=True)

    def restart(self) -> None:
        """Restart libvirtd only: guests go on, connections break."""
        self._libvirtd().stop()
        self._start_daemons()

    def kill(self) -> None:
        """A power failure: guests and daemons end at once; `start()` is the way back."""
        self._halt(signal.SIGKILL)

    @property
    def pids(self) -> list[int]:
        """Daemons and guests, for tests that look for left-overs."""
        daemons = (self._holder(), self._virtlogd(), self._libvirtd())
        found = [daemon.pid for daemon in daemons] + [running(path) for path in self.guests()]
        return [pid for pid in found if pid is not None]

    def guests(self) -> list[Path]:
        """Pid files of running guests; libvirt names them after the domain."""
        folders = (self.run / "qemu", self.run / "qemu" / "run")
        files = [path for folder in folders for path in folder.glob("*.pid")]
        return [path for path in files if path.name != "driver.pid" and running(path)]

    def inside(self, *argv: str) -> list[str]:
        """The command line that runs `argv` where this libvirtd lives."""
        holder = self._holder().pid
        if not self.privileged:
            return list(argv)
        if holder is None:
            raise RuntimeError(f"{self.name} is not running")
        words = ["--mount", "--uts", *(["--net"] if self.netns else [])]
        return [need("nsenter", "util-linux"), "--target", str(holder), *words, "--", *argv]

    def exec(self, *argv: str, seconds: float = 30) -> subprocess.CompletedProcess[str]:
        """Run a command there and collect its output."""
        return subprocess.run(self.inside(*argv), capture_output=True, text=True, timeout=seconds)

    def _start_daemons(self) -> None:
        self._virtlogd().start().wait_until("virtlogd", (self.run / "virtlogd-sock").exists, 20)
        libvirtd = self._libvirtd()
        if libvirtd.pid is None:
            (self.run / "libvirt-sock").unlink(missing_ok=True)
        libvirtd.start().wait_until("libvirtd", (self.run / "libvirt-sock").exists, 30)

    def _halt(self, number: int) -> None:
        seconds = 10 if number == signal.SIGTERM else 0
        self._libvirtd().stop() if seconds else self._libvirtd().kill()
        for pid_file in [*self.guests(), *(self.run / "network").glob("*.pid")]:
            end(pid_file, seconds=seconds, first=number)
        self._virtlogd().stop() if seconds else self._virtlogd().kill()

    def _holder(self) -> Daemon:
        """A sleeping process that keeps the namespaces open."""
        # libvirt locks the terminals of serial consoles there, and a bare /run lacks it.
        locks = f"mkdir -p {os.path.realpath('/var/lock')}"
        script = "; ".join(["set -e", locks, *self._mounts(), f"touch {self.data / 'held'}", "exec sleep infinity"])
        within = ["ip", "netns", "exec", self.netns] if self.netns else []
        unshare = ["unshare", "--mount", "--uts", "--propagation", "private"]
        return Daemon(f"{self.name}-holder", self.state, [*within, *unshare, "sh", "-c", script])

    def _mounts(self) -> list[str]:
        # libvirt resolves its own host name: without an answer at hand that is a 10 s DNS wait.
        yours = [f"mkdir -p {path}" for path in FOLDERS.values()]
        binds = [f"mount --bind {self.data / name} {path}" for name, path in FOLDERS.items()]
        names = self.hosts_file or self.data / "etc-hosts"
        other = [f"mount --bind {names} /etc/hosts", "mount --bind /dev/null /etc/resolv.conf"]
        title = []
        if self.netns:
            # Namespaces this host makes for its networks are its own business.
            title = [f"hostname {self.netns}", "mount -t tmpfs -o mode=755 tmpfs /run/netns"]
        return [*title, *yours, *other, *binds]

    def _libvirtd(self) -> Daemon:
        words = ["--config", str(self.data / "etc" / "libvirtd.conf")]
        return self._daemon("libvirtd", [*words, *(["--listen"] if self.address else [])])

    def _virtlogd(self) -> Daemon:
        return self._daemon("virtlogd", ["--config", str(self.data / "etc" / "virtlogd.conf")])

    def _daemon(self, program: str, words: Sequence[str]) -> Daemon:
        pid_file = ["--pid-file", str(self.run / f"{program}-own")]
        argv = [need(program, "libvirt-daemon-system"), *pid_file, *words]
        if self._holder().pid is not None:
            argv = self.inside(*argv)
        name = program if self.name == program else f"{self.name}-{program}"
        return Daemon(name, self.state, argv, env=self._environment())

    def _environment(self) -> dict[str, str]:
        if self.privileged:
            return {}
        return {
            "XDG_CONFIG_HOME": str(self.data / "etc"),
            "XDG_RUNTIME_DIR": str(self.data / "run"),
            "XDG_CACHE_HOME": str(self.data / "cache"),
        }

    def _configure(self) -> None:
        for folder in FOLDERS:
            (self.data / folder).mkdir(exist_ok=True)
        self.run.mkdir(mode=0o711, exist_ok=True)
        etc, log = self.data / "etc", self.data / "log"
        if (etc / "libvirtd.conf").exists():
            return
        (etc / "qemu" / "networks" / "autostart").mkdir(parents=True)
        if Path("/etc/libvirt/nwfilter").is_dir() and self.privileged:
            shutil.copytree("/etc/libvirt/nwfilter", etc / "nwfilter")
        own = subprocess.run(["hostname"], capture_output=True, text=True).stdout.strip()
        (self.data / "etc-hosts").write_text(f"127.0.0.1 localhost {own}\n")
        listen = [f'listen_addr = "{self.address}"', "listen_tcp = 1", 'auth_tcp = "none"']
        (etc / "libvirtd.conf").write_text(
            "\n".join(
                [
                    "listen_tls = 0",
                    *(listen if self.address else []),
                    'auth_unix_rw = "none"',
                    f'host_uuid = "{uuid.uuid4()}"',
                    f'log_outputs = "3:file:{log / "libvirtd.log"}"',
                    "",
                ]
            )
        )
        (etc / "virtlogd.conf").write_text(f'log_outputs = "3:file:{log / "virtlogd.log"}"\n')
        qemu = etc / "qemu.conf" if self.privileged else etc / "libvirt" / "qemu.conf"
        qemu.parent.mkdir(exist_ok=True)
        qemu.write_text(self._qemu_conf())

    def _qemu_conf(self) -> str:
        lines = ['security_driver = "none"', 'stdio_handler = "logd"', 'vnc_listen = "127.0.0.1"']
        if self.privileged:
            lines += [
                'user = "root"',
                'group = "root"',
                "dynamic_ownership = 0",
                "remember_owner = 0",
                "namespaces = []",
                "cgroup_controllers = []",
            ]
        if self.address:
            lines += [f'migration_address = "{self.address}"', f'migration_host = "{self.address}"']
        return "\n".join([*lines, *self.qemu_conf, ""])
