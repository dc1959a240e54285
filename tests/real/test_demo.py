"""`make demo` as a newcomer runs it: one guest that boots, credentials to go on with, a clean end."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.dev.demo import embed_root
from deploy.dev.demo_network import DemoNetwork
from deploy.dev.guest import UP
from deploy.dev.processes import running, started

pytestmark = pytest.mark.real
ROOT = Path(__file__).resolve().parents[2]


def demo(state: Path, *words: str) -> str:
    argv = [sys.executable, "-m", "deploy.dev.demo", "--state", str(state), *words]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def pids_below(folder: Path) -> list[int]:
    """Processes with a pid file there: the cloud, and guests where no libvirtd keeps them."""
    found = [running(path) for path in folder.rglob("*.pid")]
    return [pid for pid in found if pid is not None]


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    """A folder for the demo, which is ended whatever happens."""
    place = tmp_path / "demo"
    yield place
    if place.exists():
        demo(place, "--stop")


def test_demo_boots_a_guest_leaves_it_running_and_ends(state: Path) -> None:
    said = demo(state)
    if "guests are pretended" in said and not os.environ.get("NOVALITE_REQUIRE_SERVICES"):
        pytest.skip("QEMU is not installed")
    assert UP in said
    assert "ACTIVE" in said
    for name in ("openrc", "clouds.yaml"):
        assert (state / name).stat().st_mode & 0o077 == 0, name
    begun = time.monotonic()
    again = demo(state)
    assert "still up" in again
    assert UP in again
    # The figure promised for emulation on an idle machine is 30 s; a test has company.
    assert time.monotonic() - begun < 240
    pids = pids_below(state) + pids_below(embed_root(state))
    assert pids
    demo(state, "--stop")
    assert not [pid for pid in pids if started(pid)]


def test_a_demo_with_networks_lets_its_user_in_and_leaves_nothing(state: Path) -> None:
    """The guest is configured by the metadata service and reached by its floating address, as the printed line says."""
    own = DemoNetwork(state)
    said = demo(state, "--network")
    assert "source=metadata host=demo keys=1" in said
    assert "inside the guest: demo," in said
    line = next(line for line in said.splitlines() if line.startswith("log in "))
    argv = [*line.removeprefix("log in ").split(), "-o", "BatchMode=yes", "cat /etc/hostname"]
    assert subprocess.run(argv, capture_output=True, text=True, timeout=60).stdout.strip() == "demo"
    demo(state, "--stop")
    assert own.namespace not in os.listdir("/run/netns")
    assert not [name for name in os.listdir("/sys/class/net") if name.startswith(own.namespace[:-1])]
    assert not pids_below(state)
    left = subprocess.run(["pgrep", "-f", str(state)], capture_output=True, text=True).stdout.split()
    assert not left, left
