"""A conductor that says what a test tells it to, a compute daemon on a real bus, and builders."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from novalite.compute.manager import ComputeManager
from novalite.compute.virt.fake import FakeDriver
from novalite.conf.load import for_tests
from novalite.context import Context, system
from novalite.errors import ServerNotFound
from novalite.objects.base import Record
from novalite.objects.flavors import Flavor
from novalite.objects.hosts import Heartbeat, HostInventory
from novalite.objects.images import ImageSource
from novalite.objects.servers import GuestSpec, HostedServer, HostWork, PowerChange, Verdict, WorkReport
from novalite.rpc.client import Client
from novalite.rpc.contracts.compute import Guests
from novalite.rpc.contracts.hosts import Hosts, Services
from novalite.rpc.contracts.servers import HostedServers, Servers
from novalite.rpc.local import LocalBus

A = "aaaaaaaa-0000-4000-8000-000000000001"
B = "bbbbbbbb-0000-4000-8000-000000000002"
C = "cccccccc-0000-4000-8000-000000000003"


def until(true: Callable[[], Any], seconds: float = 20.0) -> Any:
    """Wait for something to become true; its value."""
    deadline = time.monotonic() + seconds
    while not (value := true()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)
    return value


class Script:
    """What the conductor believes, and everything it was told."""

    def __init__(self) -> None:
        self.reports: list[WorkReport] = []
        self.changes: list[PowerChange] = []
        self.beats: list[Heartbeat] = []
        self.started: list[HostInventory] = []
        self.hosted: list[HostedServer] = []
        self.records: dict[str, Record] = {}
        self.keep = True
        self.wanted = True
        self.progress: list[str] = []
        """task_states that work in hand was said to have come to; `wanted` is what is answered."""
        self.errors: list[Exception] = []
        """Raised one after the other by `finished`, before it answers again."""
        self._lock = threading.Lock()

    def believe(self, server_id: str, vm_state: str = "active", power_state: int = 1, **more: Any) -> None:
        """This server lives on the host."""
        self.hosted.append(HostedServer(
            id=server_id, instance_name="instance-00000001", vm_state=vm_state, power_state=power_state,
            task_state=more.get("task_state"), deleted=more.get("deleted", False),
        ))  # fmt: skip
        state = "deleted" if more.get("deleted") else vm_state
        self.records[server_id] = {"vm_state": state, "task_state": None, "host": "alpha"}

    def report_of(self, verb: str) -> WorkReport:
        """The last report of that verb."""
        return next(r for r in reversed(self.reports) if r.verb == verb)


class ScriptedHosted(HostedServers):
    def __init__(self, script: Script) -> None:
        self.script = script

    def finished(self, ctx: Context, report: WorkReport) -> Verdict:
        if self.script.errors:
            raise self.script.errors.pop(0)
        self.script.reports.append(report)
        return Verdict(keep=self.script.keep)

    def progressed(
        self, ctx: Context, host: str, task_id: str, attempt: int, server_id: str, task_state: str
    ) -> bool:
        self.script.progress.append(task_state)
        return self.script.wanted

    def on_host(self, ctx: Context, host: str) -> list[HostedServer]:
        return list(self.script.hosted)

    def power_changed(self, ctx: Context, host: str, changes: list[PowerChange]) -> None:
        self.script.changes.extend(changes)


class ScriptedServers(Servers):
    def __init__(self, script: Script) -> None:
        self.script = script

    def show(self, ctx: Context, server_id: str, deleted: bool = False) -> Record:
        if server_id not in self.script.records:
            raise ServerNotFound(server_id=server_id)
        return self.script.records[server_id]


class ScriptedHosts(Hosts):
    def __init__(self, script: Script) -> None:
        self.script = script

    def started(self, ctx: Context, inventory: HostInventory) -> str:
        self.script.started.append(inventory)
        return "7"


class ScriptedServices(Services):
    def __init__(self, script: Script) -> None:
        self.script = script

    def heartbeat(self, ctx: Context, beat: Heartbeat) -> str:
        self.script.beats.append(beat)
        return "7"


class Rig:
    """One compute daemon on host alpha and the scripted conductor, on a threaded bus."""

    def __init__(self, folder: Path, **overrides: Any) -> None:
        settings = {"host": "alpha", "state_path": str(folder), "compute.driver": "fake",
                    "compute.lifecycle_event_delay": 0.02, "start_retry_interval": 0.1}  # fmt: skip
        self.conf = for_tests(settings | {k.replace("__", "."): v for k, v in overrides.items()})
        self.bus, self.script, self.ctx = LocalBus(), Script(), system()
        self.client = Client(self.bus)
        endpoints = [
            cls(self.script) for cls in (ScriptedHosted, ScriptedServers, ScriptedHosts, ScriptedServices)
        ]
        self.conductor = self.bus.serve("conductor", "controller", endpoints)
        self.conductor.start()
        self.driver = FakeDriver(self.conf)
        self.boot_daemon()

    def boot_daemon(self) -> None:
        """The daemon, not yet started."""
        self.manager = ComputeManager(self.conf, self.client, driver=self.driver)
        self.server = self.bus.serve("compute", "alpha", self.manager.endpoints())
        self.guests = self.client.of(Guests, host="alpha")

    def start(self) -> None:
        """As the daemon's main does."""
        self.manager.start()
        self.server.start()
        assert self.manager.announce(timeout=5)

    def restart(self) -> None:
        """The daemon is stopped and a new one starts over the same hypervisor."""
        self.server.stop(1)
        self.manager.stop(1)
        self.boot_daemon()
        self.start()

    def close(self) -> None:
        """Stop everything."""
        self.server.stop(0.2)
        self.manager.stop(0.2)
        self.bus.close()

    def settle(self) -> None:
        """Every cast was taken and every piece of work is done."""
        self.bus.drain()
        assert self.manager.desk.wait_idle(10)
        self.bus.drain()

    def ask(self, verb: str, work: HostWork | None = None, settle: bool = True) -> WorkReport | None:
        """Cast work as the conductor does; the report of it."""
        work = work or a_work(verb)
        method = verb if verb in ("spawn", "destroy", "snapshot") else "power"
        getattr(self.guests, method)(self.ctx, work)
        if not settle:
            return None
        self.settle()
        return self.script.report_of(verb)


def a_flavor(**changes: Any) -> Flavor:
    return Flavor(**{"flavor_id": "1", "name": "small", "vcpus": 1, "ram_mb": 64, "disk_gb": 1, **changes})


def a_spec(server_id: str = A, **changes: Any) -> GuestSpec:
    return GuestSpec(**{
        "id": server_id, "name": "web", "hostname": "web", "instance_name": "instance-00000001",
        "project_id": "p", "user_id": "u", "flavor": a_flavor(), **changes,
    })  # fmt: skip


_NUMBER = iter(range(1, 100_000))


def a_work(
    verb: str, server_id: str = A, task: str | None = None, attempt: int = 1, **changes: Any
) -> HostWork:
    """A fresh piece of work unless `task` names it; `changes` are of the spec, `params` of the work."""
    params = changes.pop("params", {})
    return HostWork(
        task_id=task or f"task-{next(_NUMBER)}",
        attempt=attempt,
        verb=verb,
        server=a_spec(server_id, **changes),
        params=params,
    )


def an_image(url: str, **changes: Any) -> ImageSource:
    return ImageSource(**{"id": "img-1", "url": url, "disk_format": "raw", "token": "t0ken", **changes})
