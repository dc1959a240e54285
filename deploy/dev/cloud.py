"""A whole cloud of separate daemons on this machine, over a private broker and database.

`make cloud` leaves one running; tests start one in a temporary folder and kill parts of it.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Self

from deploy.dev.client import Api, healthy
from deploy.dev.hosts import OUTER, Hypervisors
from deploy.dev.libvirtd import Libvirtd
from deploy.dev.mariadb import MariaDB
from deploy.dev.postgresql import PostgreSQL
from deploy.dev.processes import Daemon, NotInstalled, NotReady, tail, wait_for
from deploy.dev.rabbitmq import RabbitMQ
from deploy.dev.service import Service
from deploy.dev.settings import write_config, write_credentials, write_private
from novalite.networks.on_host.commands import Commands
from novalite.networks.on_host.dnsmasq import Servers
from novalite.networks.on_host.metadata import MetadataProxy
from novalite.networks.on_host.router_spaces import Routers

SILENT = ("api-", "metadata-", "novncproxy-")
"""Members that report to nobody."""
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Plan:
    """How many of what; of several hypervisor hosts the last `switches` have Open vSwitch. `options` are further
    `section.option` settings for every daemon."""

    computes: int = 4
    driver: str = "fake"
    db: str = "postgresql"
    apis: int = 1
    conductors: int = 1
    schedulers: int = 1
    consoles: int = 0
    switches: int = 0
    options: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for kind in ("apis", "conductors", "schedulers"):
            if getattr(self, kind) < 1:
                raise ValueError(f"{kind}: at least 1")
        if self.consoles not in (0, 1):
            raise ValueError("consoles: 0 or 1")
        if self.computes < 0:
            raise ValueError("computes: not less than 0")
        if self.driver not in ("fake", "libvirt"):
            raise ValueError(f"driver {self.driver}: fake or libvirt")
        if self.db not in ("postgresql", "mariadb", "sqlite"):
            raise ValueError(f"db {self.db}: postgresql, mariadb or sqlite")
        if self.db == "sqlite" and self.conductors > 1:
            raise ValueError("db sqlite: one conductor only, its writer lock is inside the process")

    @property
    def members(self) -> list[str]:
        """Names of the daemons, in the order they start."""
        kinds = (
            ("conductor", self.conductors),
            ("scheduler", self.schedulers),
            ("api", self.apis),
            ("metadata", int(self.options.get("networks.service") == "embedded")),
            ("novncproxy", self.consoles),
            ("compute", self.computes),
        )
        return [f"{kind}-{i}" for kind, count in kinds for i in range(1, count + 1)]


class Cloud(Service):
    """A split cloud in `state`; members are called `api-1`, `conductor-1`, `compute-1` and so on."""

    name = "cloud"

    def __init__(self, plan: Plan | None = None, state: Path | None = None, *, keep: bool = False) -> None:
        super().__init__(state, keep=keep)
        self.plan = plan or Plan()
        self.broker = RabbitMQ(self.state, keep=True)  # watched over together with everything here
        self.database = _database(self.plan.db, self.state)
        self.hypervisors = _hypervisors(self.plan, self.state)
        self.say: Callable[[str], None] = lambda text: None

    @classmethod
    def load(cls, state: Path) -> Cloud:
        """The cloud that an earlier process left in `state`."""
        plan = json.loads((state / "plan.json").read_text())
        return cls(Plan(**plan), state, keep=True)

    @property
    def url(self) -> str:
        """Where clients go: the API daemon, or the front door of several."""
        return f"http://127.0.0.1:{self.port('front' if self.plan.apis > 1 else 'api-1')}"

    @property
    def clouds_yaml(self) -> Path:
        """Credentials of the administrator, cloud `novalite`."""
        return self.state / "clouds.yaml"

    @property
    def api(self) -> Api:
        """The administrator, over HTTP."""
        return Api.of(self.clouds_yaml)

    @property
    def environment(self) -> dict[str, str]:
        """What makes the `openstack` command speak to this cloud."""
        return {**os.environ, "OS_CLIENT_CONFIG_FILE": str(self.clouds_yaml), "OS_CLOUD": "novalite"}

    @property
    def transport_url(self) -> str:
        """The bus."""
        return self.broker.url

    @property
    def database_url(self) -> str:
        """The database, for the conductors alone."""
        if self.database is None:
            return f"sqlite:///{self.state / 'novalite.sqlite'}"
        return self.database.url("novalite")

    def start(self) -> Self:
        """Start everything that does not run; return when every member is seen to be up."""
        self.prepare()
        write_private(self.state / "plan.json", json.dumps(asdict(self.plan)))
        self._start_services()
        self._configure()
        for member in self.plan.members:
            self.member(member).start()
        if self.plan.apis > 1:
            self._front().start()
        self.wait()
        return self

    def end(self) -> None:
        """End the daemons, then the services below them."""
        members = [self.member(name) for name in reversed(self.plan.members)]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(Daemon.stop, [self._front(), *members]))
        for name in self.plan.members:  # DHCP servers and routers outlive their daemon, as they should elsewhere
            Servers(self.state / name / "networks", Commands()).converge((), set())
            Routers(self.state / name / "networks-routers", Commands()).converge((), {}, thorough=False)
            MetadataProxy(self.state / name / "networks-metadata").end()
        for service in (self.hypervisors, self.broker, self.database):
            if service is not None:
                service.end()

    def member(self, name: str) -> Daemon:
        """One daemon by name."""
        program = Path(sys.executable).parent / f"novalite-{name.partition('-')[0]}"
        if not program.exists():
            raise NotInstalled(f"{program} is missing: run deploy/install-deps")
        argv = [str(program), "--config-file", str(self.config_file(name))]
        return Daemon(name, self.state, argv, stop_seconds=20)

    def config_file(self, name: str) -> Path:
        """The configuration of a member."""
        return self.state / "etc" / f"{name}.conf"

    def kill(self, name: str) -> None:
        """SIGKILL a member, as the kernel's memory killer would."""
        self.member(name).kill()

    def stop_member(self, name: str) -> None:
        """End a member in order."""
        self.member(name).stop()

    def start_member(self, name: str) -> None:
        """Start a member that was killed or stopped."""
        self.member(name).start()

    def restart_member(self, name: str) -> None:
        """End a member in order and start it again."""
        self.stop_member(name)
        self.start_member(name)

    def uri(self, i: int) -> str:
        """libvirt URI of compute host `i`, counted from 1."""
        if isinstance(self.hypervisors, Hypervisors):
            return self.hypervisors.uri(i)
        if isinstance(self.hypervisors, Libvirtd):
            return self.hypervisors.uri
        raise ValueError("the fake driver has no libvirt")

    def services(self) -> list[dict[str, Any]]:
        """What the API says about the daemons."""
        found: list[dict[str, Any]] = self.api.compute("GET", "/os-services")["services"]
        return found

    def wait(self, seconds: float = 60) -> None:
        """Return when the API answers and every other member reports in."""
        for i in range(1, self.plan.apis + 1):
            answers = partial(healthy, f"http://127.0.0.1:{self.port(f'api-{i}')}")
            self.member(f"api-{i}").wait_until(f"api-{i}", answers, seconds)
        wait_for("all daemons up", self._all_up, seconds, every=0.2, unless=self._casualty)

    def _all_up(self) -> bool:
        up = {service["host"] for service in self.services() if service["state"] == "up"}
        return all(name in up for name in self.plan.members if not name.startswith(SILENT))

    def _casualty(self) -> str | None:
        for name in self.plan.members:
            daemon = self.member(name)
            if daemon.pid is None:
                return f"{name} ended by itself\n--- end of {daemon.log_file}\n{tail(daemon.log_file)}"
        return None

    def _start_services(self) -> None:
        """Broker, database and hypervisors at the same time: the broker takes longest."""
        found = [s for s in (self.broker, self.database, self.hypervisors) if s is not None]
        self.say("starting " + ", ".join(service.name for service in found))
        with ThreadPoolExecutor(len(found)) as pool:
            for started in [pool.submit(service.start) for service in found]:
                started.result()
        if self.database is not None:
            self.database.ensure_database("novalite")

    def _configure(self) -> None:
        password_file = self.state / "etc" / "password"
        if not password_file.exists():
            write_private(password_file, secrets.token_urlsafe(12))
        password = password_file.read_text()
        secret_file = self.state / "etc" / "metadata-secret"
        if not secret_file.exists():
            write_private(secret_file, secrets.token_hex(32))
        for name in self.plan.members:
            write_config(self.config_file(name), self._options(name))
        write_credentials(self.state, self.url, password)
        conductor = str(self.config_file("conductor-1"))
        self.say("preparing the database")
        manage(conductor, "db", "sync")
        manage(conductor, "bootstrap", f"--password={password}", "--public-url", self.url)

    def _options(self, name: str) -> dict[str, str]:
        """Settings of one member; only conductors learn the database."""
        kind, _, number = name.partition("-")
        place = self.state / name
        place.mkdir(exist_ok=True)
        common = {
            "DEFAULT.host": name,
            "DEFAULT.state_path": str(place),
            "DEFAULT.transport_url": self.transport_url,
            "DEFAULT.start_retry_interval": "1",
            "DEFAULT.graceful_shutdown_timeout": "10",
        }
        own: dict[str, dict[str, str]] = {
            "conductor": {
                "database.connection": self.database_url,
                "images.store_path": str(self.state / "images"),
            },
            "scheduler": {},
            "metadata": {"metadata.listen": "127.0.0.1"},
            "novncproxy": {"consoles.port": str(self.port(name)) if kind == "novncproxy" else ""},
            "api": {
                "api.listen": "127.0.0.1",
                "api.port": str(self.port(name)) if kind == "api" else "",
                "api.public_url": self.url,
                "images.store_path": str(self.state / "images"),
            },
            "compute": {
                "compute.driver": self.plan.driver,
                "compute.instances_path": str(place / "instances"),
            },
        }
        if kind == "compute" and self.plan.driver == "libvirt":
            libvirt = {"libvirt.virt_type": "qemu", "libvirt.connection_uri": self.uri(int(number))}
            own["compute"].update(libvirt, **self._place(int(number)))
        conductor = {"api.public_url": self.url} if kind == "conductor" else {}
        consoles = {}
        if kind == "api" and self.plan.consoles:
            consoles["consoles.base_url"] = f"http://127.0.0.1:{self.port('novncproxy-1')}"
        return {**common, **own[kind], **conductor, **consoles, **self._metadata(kind), **self.plan.options}

    def _metadata(self, kind: str) -> dict[str, str]:
        """The metadata service and the conductors know the secret; hosts are told by the latter."""
        if kind not in ("metadata", "conductor") or "metadata-1" not in self.plan.members:
            return {}
        port = self.port("metadata-1")
        place = {"metadata.port": str(port)} if kind == "metadata" else {"metadata.url": f"http://127.0.0.1:{port}"}
        return {"metadata.secret": (self.state / "etc" / "metadata-secret").read_text(), **place}

    def _place(self, i: int) -> dict[str, str]:
        """Where the networks of hypervisor host `i` are, when that is not here."""
        if not isinstance(self.hypervisors, Hypervisors):
            return {}
        switch = self.hypervisors.switches.get(i)
        switched = {"host_networks.switch": "openvswitch", "host_networks.openvswitch_datapath": "netdev",
                    "host_networks.ovsdb": switch.database} if switch else {}  # fmt: skip
        return {
            **switched,
            "host_networks.namespace": self.hypervisors.namespace(i),
            "host_networks.tunnel_address": self.hypervisors.address(i),
            "host_networks.physical_interfaces": f"outside:{OUTER}",
        }

    def cleanup(self) -> list[list[str]]:
        """What the hypervisors would leave."""
        return self.hypervisors.cleanup() if self.hypervisors else []

    def _front(self) -> Daemon:
        ports = [str(self.port(f"api-{i}")) for i in range(1, self.plan.apis + 1)]
        argv = [sys.executable, "-m", "deploy.dev.front", str(self.port("front")), *ports]
        return Daemon("front", self.state, argv, env={"PYTHONPATH": str(ROOT)})


def manage(config_file: str, *words: str, seconds: float = 120) -> str:
    """Run novalite-manage."""
    program = Path(sys.executable).parent / "novalite-manage"
    if not program.exists():
        raise NotInstalled(f"{program} is missing: run deploy/install-deps")
    done = subprocess.run(
        [program, "--config-file", config_file, *words], capture_output=True, text=True, timeout=seconds
    )
    if done.returncode:
        raise RuntimeError(f"novalite-manage {words[0]}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def _database(kind: str, state: Path) -> PostgreSQL | MariaDB | None:
    if kind == "postgresql":
        return PostgreSQL(state, keep=True)
    return MariaDB(state, keep=True) if kind == "mariadb" else None


def _hypervisors(plan: Plan, state: Path) -> Hypervisors | Libvirtd | None:
    if plan.driver != "libvirt" or not plan.computes:
        return None
    if plan.computes == 1:
        return Libvirtd(state, keep=True)
    return Hypervisors(plan.computes, state, keep=True, switches=plan.switches)


def _stop(state: Path) -> int:
    if not (state / "plan.json").exists():
        print(f"no cloud in {state}")
        return 0
    cloud = Cloud.load(state)
    cloud.stop()
    (state / "plan.json").rename(state / "last-plan.json")
    print(f"stopped; logs stay in {state / 'log'}")
    return 0


def _start(state: Path, plan: Plan) -> int:
    begun = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - begun:6.1f} s  {text}", flush=True)

    if (state / "plan.json").exists():
        running = Cloud.load(state).plan
        if running != plan:
            print(f"a different cloud is running in {state}: make cloud-stop first", file=sys.stderr)
            return 1
    elif state.exists():
        shutil.rmtree(state)
    state.mkdir(exist_ok=True)
    cloud = Cloud(plan, state, keep=True)
    cloud.say = say
    try:
        cloud.start()
    except BaseException:
        cloud.end()
        (state / "plan.json").unlink(missing_ok=True)
        raise
    say(f"up: {', '.join(plan.members)}")
    print(
        f"\nAPI        {cloud.url}/v2.1\n"
        f"try        . {state}/openrc; openstack compute service list\n"
        f"or         OS_CLIENT_CONFIG_FILE={state}/clouds.yaml openstack --os-cloud novalite server list\n"
        f"processes  {state}/run/*.pid, logs in {state}/log\n"
        f"end it     make cloud-stop"
    )
    return 0


def main() -> int:
    """`make cloud` and `make cloud-stop`."""
    parser = argparse.ArgumentParser(prog="deploy/cloud", description=__doc__)
    parser.add_argument("--stop", action="store_true", help="end the cloud")
    parser.add_argument("--state", type=Path, default=ROOT / ".cloud", help="folder for everything")
    for kind, count in (("computes", 4), ("apis", 1), ("conductors", 1), ("schedulers", 1), ("consoles", 1)):
        parser.add_argument(f"--{kind}", type=int, default=count)
    parser.add_argument("--driver", default="fake", help="fake or libvirt")
    parser.add_argument("--db", default="postgresql", help="postgresql, mariadb or sqlite")
    words = vars(parser.parse_args())
    stop, state = words.pop("stop"), words.pop("state").resolve()
    try:
        return _stop(state) if stop else _start(state, Plan(**words))
    except (ValueError, NotInstalled, NotReady, RuntimeError) as problem:
        print(f"deploy/cloud: {problem}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
