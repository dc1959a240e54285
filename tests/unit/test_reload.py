"""SIGHUP on each daemon: what may change while it runs takes effect, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from novalite.api.app import create_app
from novalite.api.runtime import ApiRuntime
from novalite.cmd.parts import RpcPart
from novalite.compute.manager import ComputeManager
from novalite.compute.resources import inventory
from novalite.conductor.manager import ConductorManager
from novalite.conf import load
from novalite.daemon import Daemon
from novalite.rpc.client import Client
from novalite.rpc.local import LocalBus
from novalite.scheduler.manager import SchedulerManager

Look = Callable[[], Any]


def scheduler(conf: Any, client: Client) -> tuple[Any, Look]:
    manager = SchedulerManager(conf, client)
    return manager, lambda: (manager.plan.weighers["RAMWeigher"].factor, list(manager.plan.filters))


def compute(conf: Any, client: Client) -> tuple[Any, Look]:
    manager = ComputeManager(conf, client, inline=True)
    every = {job.name: job for job in manager.periodics()}

    def look() -> Any:
        found = inventory(manager.driver, conf, conf.host, manager.resources.condition)
        return found.cpu_ratio, found.reserved_ram_mb, next(
            float(job.every()) for name, job in every.items() if name.startswith("sync_power_states")
        )

    return manager, look


def conductor(conf: Any, client: Client) -> tuple[Any, Look]:
    manager = ConductorManager(conf, client, inline=True, clock=lambda: 1000.0)
    return manager, lambda: (manager.env.tasks.look_at(), manager.env.tasks._until)


def api(conf: Any, client: Client) -> tuple[Any, Look]:
    app = create_app(conf, client)
    runtime: ApiRuntime = app.extensions["novalite"]
    return object(), lambda: (runtime.conf.api.max_limit, runtime.conf.api.retry_after)


DAEMONS = {
    "scheduler": (
        scheduler,
        "[scheduler]\nram_weight_multiplier = -2\nenabled_filters = ComputeFilter\n",
        (1.0, None),
        (-2.0, ["ComputeFilter"]),
    ),
    "compute": (
        compute,
        "[compute]\ncpu_allocation_ratio = 4\nreserved_host_memory_mb = 1024\nsync_power_state_interval = 7\n",
        (16.0, 512, 600.0),
        (4.0, 1024, 7.0),
    ),
    "conductor": (
        conductor,
        "[conductor]\nsweep_interval = 50\nlease_seconds = 60\n",
        (1005.0, 1015.0),
        (1050.0, 1060.0),
    ),
    "api": (api, "[api]\nmax_limit = 7\nretry_after = 9\n", (1000, 2), (7, 9)),
}


@pytest.mark.parametrize("name", DAEMONS)
def test_a_running_daemon_takes_over_what_may_change(name: str, tmp_path: Path) -> None:
    make, lines, before, after = DAEMONS[name]
    path = tmp_path / "d.conf"
    base = f"[DEFAULT]\nhost = h1\nstate_path = {tmp_path}\n"
    path.write_text(f"{base}[compute]\ndriver = fake\n")
    conf = load.load("novalite-test", [str(path)])
    bus = LocalBus(inline=True)
    manager, look = make(conf, Client(bus))
    part = RpcPart(name, conf, bus, manager, 1, beat=lambda: None, end=lambda grace: None)
    daemon = Daemon("novalite-test", conf, bus, [part])
    seen = look()
    assert all(one in (None, got) for one, got in zip(before, seen, strict=True)), seen
    path.write_text(f"{base}[compute]\ndriver = fake\n{lines}[api]\nport = 1\n")
    daemon.reload()
    assert look() == after
    assert conf.api.port == 8774, "a port cannot change while a daemon listens on it"
    bus.close()
