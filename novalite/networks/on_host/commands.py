"""Programs that change a host's network: each with a deadline, what it said in the error."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence

from novalite.errors import NovaliteError

PACKAGES = {"ip": "iproute2", "bridge": "iproute2", "nft": "nftables", "dnsmasq": "dnsmasq-base",
            "ovs-vsctl": "openvswitch-switch", "ethtool": "ethtool",
            "nsenter": "util-linux", "unshare": "util-linux", "flock": "util-linux"}  # fmt: skip
"""Debian package of each program."""
SECONDS = 30.0
"""More than any of them takes on a busy host: the rules of 500 ports are loaded in two."""
_SYSTEM_FOLDERS = ("/usr/sbin", "/sbin")  # not in every daemon's PATH


class NetworkCommandFailed(NovaliteError):
    message = "The network of this host could not be changed: {reason}"


def find(program: str) -> str | None:
    """Where a program is; None when it is not installed."""
    path = os.pathsep.join((os.environ.get("PATH", ""), *_SYSTEM_FOLDERS))
    return shutil.which(program, path=path)


class Commands:
    """Programs run in a network namespace, by its path; "" is the daemon's own."""

    def __init__(self, namespace: str = "") -> None:
        self.namespace = namespace

    def run(self, argv: Sequence[str], said: str | None = None, seconds: float = SECONDS) -> str:
        """What the program printed. `said` is what it reads. Raises NetworkCommandFailed."""
        name = argv[0]
        try:
            done = subprocess.run(self._argv(argv), input=said, text=True, capture_output=True, timeout=seconds,
                                  stdin=None if said is not None else subprocess.DEVNULL)  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise NetworkCommandFailed(reason=f"{name} was not done within {seconds:g} seconds") from error
        except OSError as error:
            raise NetworkCommandFailed(reason=f"{name} could not be run: {error}") from error
        if done.returncode:
            words = "; ".join((done.stderr.strip() or done.stdout.strip()).splitlines()[:3])
            raise NetworkCommandFailed(reason=f"{name}: {words or f'exit code {done.returncode}'}")
        return done.stdout

    def batch(self, program: str, lines: Sequence[str]) -> None:
        """Commands for `ip` or `bridge`, in order; one that fails keeps none of the others from being done, and is
        raised in the end."""
        if lines:
            self.run([program, "-force", "-batch", "-"], said="".join(f"{line}\n" for line in lines))

    def _argv(self, argv: Sequence[str]) -> list[str]:
        program = _need(argv[0])
        within = [_need("nsenter"), f"--net={self.namespace}", "--"] if self.namespace else []
        return [*within, program, *argv[1:]]


def _need(program: str) -> str:
    found = find(program)
    if found is None:
        raise NetworkCommandFailed(reason=f"{program} is missing: apt-get install {PACKAGES.get(program, program)}")
    return found
