"""`make demo`: the all-in-one, a guest image and one server, by the stock `openstack` client; with NETWORK=1 also
networks, and a guest that one can log in to."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from deploy.dev.client import Api, Refused, healthy
from deploy.dev.demo_network import API_THERE, DemoNetwork
from deploy.dev.guard import sweep
from deploy.dev.guest import UP, guest_image
from deploy.dev.ports import free_port
from deploy.dev.processes import SYSTEM_FOLDERS, Daemon, NotInstalled, NotReady, wait_for

ROOT = Path(__file__).resolve().parents[2]
SOCKET_NAME = 108
"""Bytes of a UNIX socket's name with its end (unix(7))."""
IMAGE, FLAVOR, SERVER = "novalite-guest", "demo.tiny", "demo"


@dataclass(frozen=True)
class Hypervisor:
    """Which driver the demo runs on, and why that one."""

    driver: str
    uri: str = ""
    why: str = ""


class Stopwatch:
    """Progress lines with the seconds since the start."""

    def __init__(self) -> None:
        self.begun = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self.begun

    def say(self, text: str) -> None:
        """One line of progress."""
        print(f"{self.seconds:6.1f} s  {text}", flush=True)


def choose_hypervisor(state: Path, own: bool = False) -> Hypervisor:
    """The running libvirtd unless it has to be our `own`, else QEMU in our own process, else the pretended one."""
    path = os.pathsep.join([os.environ.get("PATH", ""), *SYSTEM_FOLDERS])
    if shutil.which("qemu-system-x86_64", path=path) is None:
        return Hypervisor("fake", why="QEMU is not installed: guests are pretended, they do not boot")
    try:
        import libvirt
    except ImportError as missing:
        return Hypervisor("fake", why=f"no libvirt binding ({missing}): guests are pretended")
    if not own and _answers(libvirt, "qemu:///system") and _reachable_for_qemu(state):
        return Hypervisor("libvirt", "qemu:///system", "the running libvirtd")
    root = embed_root(state)
    root.mkdir(mode=0o700, exist_ok=True)
    if root.stat().st_uid != os.geteuid():
        raise RuntimeError(f"{root} belongs to somebody else")
    (root / "etc").mkdir(exist_ok=True)
    root_s = ['user = "root"', 'group = "root"', "dynamic_ownership = 0"] if os.geteuid() == 0 else []
    # No virtlogd without a daemon: QEMU writes the console log itself.
    lines = ['stdio_handler = "file"', 'security_driver = "none"', "namespaces = []", *root_s]
    (root / "etc" / "qemu.conf").write_text("\n".join([*lines, "remember_owner = 0", ""]))
    return Hypervisor("libvirt", f"qemu:///embed?root={root}", "QEMU without a libvirtd")


def embed_root(state: Path) -> Path:
    """Folder of QEMU's own files: below `state` unless its UNIX sockets would get too long a name."""
    root = state / "qemu"
    longest = root / "lib/qemu/domain-1000-instance-00000000/monitor.sock"
    if len(str(longest)) < SOCKET_NAME:
        return root
    mark = zlib.crc32(str(state).encode())
    return Path(tempfile.gettempdir()) / f"novalite-{os.geteuid()}-{mark:08x}"


def _answers(libvirt: Any, uri: str) -> bool:
    libvirt.registerErrorHandler(lambda context, error: None, None)
    try:
        libvirt.open(uri).close()
    except libvirt.libvirtError:
        return False
    return True


def _reachable_for_qemu(folder: Path) -> bool:
    """libvirtd runs guests as another user, who must be able to enter every folder above."""
    return all(parent.stat().st_mode & 0o001 for parent in [folder, *folder.parents])


class Demo:
    """The cloud of `make demo` in its state folder, with networks if it was begun with them."""

    def __init__(self, state: Path, watch: Stopwatch, networks: bool = False) -> None:
        self.state = state
        self.say = watch.say
        own = DemoNetwork(state)
        if networks and not own.settings.exists() and (state / "clouds.yaml").exists():
            raise RuntimeError(f"{state} has a cloud without networks: end it, remove the folder, and begin again")
        self.network = own if networks or own.settings.exists() else None
        self.daemon = Daemon("demo", state, stop_seconds=20)

    @property
    def clouds_yaml(self) -> Path:
        """Written by `novalite up`."""
        return self.state / "clouds.yaml"

    @property
    def api(self) -> Api:
        """The administrator, over HTTP."""
        return Api.of(self.clouds_yaml)

    def up(self) -> None:
        """Start the all-in-one unless it runs."""
        self.state.mkdir(exist_ok=True)
        if self.daemon.pid is not None and healthy(self._url()):
            self.say(f"the cloud of the last run is still up at {self._url()}")
            return
        hypervisor = self.hypervisor
        self.say(f"hypervisor: {hypervisor.uri or hypervisor.driver} ({hypervisor.why})")
        port_file = self.state / "port"
        if not port_file.exists():
            port_file.write_text(str(free_port()))
        uri = ["--libvirt-uri", hypervisor.uri] if hypervisor.uri else []
        place = ["--state-dir", str(self.state), "--host", self._address, "--port", port_file.read_text()]
        program = Path(sys.executable).parent / "novalite"
        argv = [str(program), "up", *place, "--driver", hypervisor.driver, *uri]
        if self.network is not None:
            self.network.make()
            argv = [*self.network.within, *argv, "--config-file", str(self.network.settings)]
        begun = time.monotonic()
        self.daemon = Daemon("demo", self.state, argv, stop_seconds=20).start()
        self.daemon.wait_until("novalite up", lambda: healthy(self._url()), 60)
        self.say(f"novalite is ready at {self._url()} after {time.monotonic() - begun:.1f} s")

    def image(self) -> None:
        """Upload the guest image unless it is there."""
        if self.api.image("GET", f"/images?name={IMAGE}&status=active")["images"]:
            return
        self.say("finding or building the guest image")
        path = guest_image()
        self.say(f"uploading {path.name}, {path.stat().st_size >> 20} MiB")
        disk = ["--disk-format", "qcow2", "--container-format", "bare"]
        self.openstack("image", "create", *disk, "--file", str(path), IMAGE, "-f", "value", "-c", "id")

    def flavor(self) -> None:
        """Create the small flavor unless it is there."""
        if not any(f["name"] == FLAVOR for f in self.api.compute("GET", "/flavors")["flavors"]):
            self.say(f"creating flavor {FLAVOR}")
            sizes = ["--ram", "128", "--vcpus", "1", "--disk", "1"]
            self.openstack("flavor", "create", *sizes, FLAVOR, "-f", "value", "-c", "id")

    @property
    def hypervisor(self) -> Hypervisor:
        """With networks its own: the machine's libvirtd would connect guests to the machine."""
        return choose_hypervisor(self.state, own=self.network is not None)

    def server(self) -> str:
        """Create the server, in place of an earlier run's; returns its id once it is ACTIVE."""
        for old in self.api.compute("GET", f"/servers?name=^{SERVER}$")["servers"]:
            self.say(f"deleting the server of an earlier run, {old['id']}")
            self.delete(old["id"])
        nic = ["--nic", "none"]
        if self.network is not None:
            self.say("creating network, router and key pair")
            nic = ["--network", self.network.furnish(self.api), "--key-name", SERVER]
        self.say("openstack server create")
        what = ["--image", IMAGE, "--flavor", FLAVOR, *nic]
        server = self.openstack("server", "create", *what, SERVER, "-f", "value", "-c", "id").strip()
        self._admin = self.api
        wait_for(f"server {server} ACTIVE", lambda: self._settled(server), 120, every=0.1)
        self.say("server is ACTIVE")
        return server

    def delete(self, server: str, seconds: float = 60) -> None:
        """Delete a server and wait until it is gone."""
        api = self.api
        api.compute("DELETE", f"/servers/{server}")

        def gone() -> bool:
            try:
                api.compute("GET", f"/servers/{server}")
            except Refused as refused:
                return refused.status == 404
            return False

        wait_for(f"server {server} deleted", gone, seconds, every=0.1)

    def await_guest(self, server: str, seconds: float = 120) -> None:
        """Wait for the guest's own line on its console."""
        api = self.api
        wait_for("the guest's own word that it is up", lambda: UP in api.console(server), seconds, every=0.2)

    def log_in(self, server: str) -> str:
        """Give the server a floating address and log in; answers the command that does."""
        assert self.network is not None
        address = self.network.floating(self.api, server)
        self.say(f"floating address {address}; waiting until ssh lets us in")
        uptime = self.network.log_in(address, "hostname; uptime").strip().replace("\n", ", ")
        self.say(f"inside the guest: {uptime}")
        return " ".join(self.network.ssh(address))

    def own_share(self, server: str) -> float | None:
        """Seconds from the accepted request to the started domain, by the server's own events."""
        api = self.api
        actions = api.compute("GET", f"/servers/{server}/os-instance-actions")["instanceActions"]
        request = next(a["request_id"] for a in actions if a["action"] == "create")
        detail = api.compute("GET", f"/servers/{server}/os-instance-actions/{request}")
        action = detail["instanceAction"]
        ends = [e["finish_time"] for e in action.get("events") or [] if e.get("finish_time")]
        if not ends:
            return None
        begun = datetime.fromisoformat(action["start_time"])
        return (datetime.fromisoformat(max(ends)) - begun).total_seconds()

    def openstack(self, *words: str, seconds: float = 120) -> str:
        """The stock command line client."""
        program = Path(sys.executable).parent / "openstack"
        env = {**os.environ, "OS_CLIENT_CONFIG_FILE": str(self.clouds_yaml), "OS_CLOUD": "novalite"}
        done = subprocess.run([program, *words], env=env, capture_output=True, text=True, timeout=seconds)
        if done.returncode:
            raise RuntimeError(f"openstack {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    def stop(self) -> None:
        """Delete the servers while somebody can, then end the daemon and what it left."""
        if self.daemon.pid is not None and self.clouds_yaml.exists():
            try:
                for server in self.api.compute("GET", "/servers?all_tenants=1")["servers"]:
                    self.say(f"deleting server {server['name']}")
                    self.delete(server["id"], seconds=20)
                if self.network is not None:
                    self.network.unfurnish(self.api, self.say)
            except (Refused, NotReady, OSError) as problem:
                self.say(f"servers could not be deleted: {problem}")
        self.daemon.stop()
        if self.network is not None:
            self.network.remove()
        left = sweep(self.state)
        if (away := embed_root(self.state)).parent != self.state and away.exists():
            left += sweep(away)
            shutil.rmtree(away, ignore_errors=True)
        self.say("stopped" + (f", and ended {left} guests left over" if left else ""))

    def _settled(self, server: str) -> bool:
        found = self._admin.server(server)
        if found["status"] == "ERROR":
            raise RuntimeError(f"server is in ERROR: {found.get('fault', {}).get('message')}")
        return bool(found["status"] == "ACTIVE")

    @property
    def _address(self) -> str:
        return "127.0.0.1" if self.network is None else API_THERE

    def _url(self) -> str:
        port = self.state / "port"
        return f"http://{self._address}:{port.read_text()}" if port.exists() else "http://127.0.0.1:1"


def run(state: Path, networks: bool) -> None:
    """The whole demo."""
    watch = Stopwatch()
    demo = Demo(state, watch, networks)
    demo.up()
    demo.image()
    demo.flavor()
    server = demo.server()
    share = demo.own_share(server)
    table = demo.openstack("server", "show", server, "--max-width", "110")
    print(f"\n$ openstack server show {SERVER}\n{table}")
    pretended = demo.hypervisor.driver == "fake"
    if not pretended:
        watch.say("waiting for the guest to boot")
        demo.await_guest(server)
        watch.say("the guest says it is up")
    console = demo.openstack("console", "log", "show", server)
    print(f"\n$ openstack console log show {SERVER}\n{_until_up(console)}\n")
    log_in = demo.log_in(server) if demo.network is not None and not pretended else None
    known = "" if share is None else f"; novalite's share, request to running domain: {share:.2f} s"
    watch.say(f"done{known}")
    print(
        f"\nits screen      openstack console url show {SERVER}, and open the URL in a browser\n"
        f"its terminal    novalite server console {SERVER} --interactive\n"
        f"go on by hand   . {state}/openrc; openstack server list\n"
        f"or              OS_CLIENT_CONFIG_FILE={state}/clouds.yaml openstack --os-cloud novalite ...\n"
        + (f"log in          {log_in}\n" if log_in else "")
        + "end it          make demo-stop"
    )


def _until_up(console: str) -> str:
    lines = console.strip().splitlines()
    last = next((i for i, line in enumerate(lines) if UP in line), len(lines) - 1)
    return "\n".join(lines[: last + 1])


def main() -> int:
    """`make demo` and `make demo-stop`."""
    parser = argparse.ArgumentParser(prog="deploy/demo", description=__doc__)
    parser.add_argument("--stop", action="store_true", help="end the cloud")
    parser.add_argument("--network", action="store_true", help="with networks, and a guest to log in to (root)")
    parser.add_argument("--state", type=Path, default=ROOT / ".demo", help="folder for everything")
    words = parser.parse_args()
    state = words.state.resolve()
    try:
        if words.stop:
            Demo(state, Stopwatch()).stop()
        else:
            run(state, words.network)
    except (NotInstalled, NotReady, Refused, RuntimeError, OSError, subprocess.TimeoutExpired) as problem:
        print(f"deploy/demo: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
