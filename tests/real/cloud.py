"""A whole control plane in this process over real QEMU guests: what `test_server_actions.py` stands on.

Everything is real but the distance between the daemons: API, conductor, scheduler and one compute daemon with
the libvirt driver on a private libvirtd; the image service serves its bytes over HTTP on loopback, and the
compute host fetches them from there. Requests are answered when their work is done (`tests/cloud.py`), so
nothing but the guests themselves has to be waited for.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from deploy.dev.guest import UP, guest_image
from deploy.dev.libvirtd import Libvirtd
from novalite.cmd.http import WaitressServer, listen
from novalite.compute.virt.libvirt import embedded
from tests.cloud import Cloud

HOST, OTHER = "metal", "iron"
BOOT_SECONDS = 120
"""Emulated, on a machine busy with other tests; 7 to 13 s on an idle one."""
BOOT_PARTITION = 1 << 20
"""Where the small guest's boot partition begins on its disk, in bytes."""
FLAVORS: dict[str, dict[str, Any]] = {
    "small": {"vcpus": 1, "ram": 128, "disk": 1},
    "large": {"vcpus": 2, "ram": 192, "disk": 2},
    "ephemeral": {"vcpus": 1, "ram": 128, "disk": 1, "OS-FLV-EXT-DATA:ephemeral": 1},
}


class RealCloud:
    """The cloud of `folder` on the hypervisor `host`, and on `other` too if there is one.

        guest = real.boot("web")                      # a server that said on its console that it is up
        guest.act({"reboot": {"type": "SOFT"}})       # 202, and done when this returns
        guest.wait_up(2)                              # its second boot, as its console tells
        assert guest.show()["status"] == "ACTIVE"
        assert guest.run("cat /etc/hostname") == "web\\n"

    `options` are configuration of everybody, `of_other` of the second host alone.
    `member` and `admin` are clients of the API (`tests/rest.py`), `image` the id of the small guest's image with
    the guest agent, `marked_image("blue")` one more whose kernel says on the console that it is "blue".
    """

    def __init__(
        self, folder: Path, host: Libvirtd, other: Libvirtd | None = None, options: dict[str, Any] | None = None,
        of_other: dict[str, Any] | None = None,
    ) -> None:  # fmt: skip
        embedded.collect_orphans()
        self.folder = folder
        self.libvirtd = host
        self._socket = listen("127.0.0.1", 0)
        port = self._socket.getsockname()[1]
        per_host = {HOST: self._driven_by(host)}
        if other is not None:
            own = {"state_path": str(folder / OTHER), "compute.instances_path": str(folder / OTHER / "instances")}
            per_host[OTHER] = {**self._driven_by(other), **own, **(of_other or {})}
        self.cloud = Cloud(
            folder,
            hosts=tuple(per_host),
            # Nothing beats its heart here, and a test may take long.
            overrides={"api.public_url": f"http://127.0.0.1:{port}", "service_down_time": 86400, **(options or {})},
            per_host=per_host,
        )
        self.member, self.admin = self.cloud.rest(), self.cloud.rest("admin")
        self._http = WaitressServer(self.member.http.application, self._socket, 4, 1 << 40)
        self._http.start()
        for name, sizes in FLAVORS.items():
            self.admin.flavor(name, **sizes)
        self.image = self.upload(guest_image())
        self._marked: dict[str, str] = {}

    @staticmethod
    def _driven_by(host: Libvirtd) -> dict[str, str]:
        # The transport is named, because libvirt tries its embedded driver first once that is in use.
        uri = host.uri.replace("qemu:///", "qemu+unix:///")
        return {"compute.driver": "libvirt", "libvirt.connection_uri": uri, "libvirt.virt_type": "qemu"}

    def close(self) -> None:
        """Remove every server, and with them every guest; then let go of everything."""
        try:
            for server in self.admin.get("/servers?all_tenants=1")["servers"]:
                self.admin.delete(f"/servers/{server['id']}")
        finally:
            self._http.stop(5)
            for host in self.cloud.hosts.values():
                host.manager.stop(5)
            self.cloud.__exit__()

    # --- images

    def upload(self, path: Path, name: str = "small guest", **properties: str) -> str:
        """The id of an image of the member's project with this qcow2 file."""
        values = {"hw_qemu_guest_agent": "yes", **properties}
        return self.member.image(path.read_bytes(), disk_format="qcow2", name=name, **values)

    def marked_image(self, mark: str, **properties: str) -> str:
        """An image like `image` whose kernel says on the console that it was started with `image=<mark>`: a
        witness of the disk that a machine started from (`Guest.starts_of`). Made once per mark and properties."""
        key = json.dumps([mark, properties], sort_keys=True)
        if key not in self._marked:
            self._marked[key] = self.upload(self._marked_file(mark), f"marked {mark}", **properties)
        return self._marked[key]

    def _marked_file(self, mark: str) -> Path:
        raw, made = self.folder / f"{mark}.raw", self.folder / f"{mark}.qcow2"
        if not made.exists():
            qemu_img = ("qemu-img", "convert", "-f")
            run(*qemu_img, "qcow2", "-O", "raw", guest_image(), raw)
            menu = self.folder / "syslinux.cfg"
            place = f"{raw}@@{BOOT_PARTITION}"
            run("mcopy", "-o", "-i", place, "::syslinux.cfg", menu)
            menu.write_text(menu.read_text().replace("quiet loglevel=3", f"loglevel=6 image={mark}"))
            run("mcopy", "-o", "-i", place, menu, "::syslinux.cfg")
            run(*qemu_img, "raw", "-O", "qcow2", "-c", raw, made)
            raw.unlink()
        return made

    # --- servers

    def boot(self, name: str = "web", wait: bool = True, **body: Any) -> Guest:
        """A server of `image` and the flavor `small` unless told otherwise, up unless not to be waited for."""
        wanted = {"flavorRef": "small", "imageRef": self.image, **body}
        guest = Guest(self, self.member.boot(name, **wanted))
        if wait:
            guest.wait_up(1)
        return guest


@dataclass(frozen=True)
class Guest:
    """One server, through the API, through its console, and from inside."""

    real: RealCloud
    id: str

    def act(self, action: dict[str, Any], status: int = 202, **more: Any) -> Any:
        """POST an action as the member; the answer's body (None: empty). Done when this returns."""
        reply = self.real.member.act(self.id, action, **more)
        assert reply.status_code == status, (action, reply.status_code, reply.text)
        return reply.get_json() if reply.data else None

    def show(self, **more: Any) -> Any:
        """GET /servers/{id} as the administrator."""
        return self.real.admin.show(self.id, **more)

    def status(self) -> str:
        """Its status; an ERROR is shown with its fault."""
        server = self.show()
        return " ".join([server["status"], *([server["fault"]["message"]] if "fault" in server else [])])

    # --- the console is the witness

    def console(self) -> str:
        """All that its serial console has said, asked of the API."""
        return str(self.act({"os-getConsoleOutput": {}}, 200)["output"])

    def boots(self) -> int:
        """How often its console has said that it is up."""
        return self.console().count(UP)

    def starts_of(self, mark: str) -> int:
        """How often its console has shown a kernel from the boot disk of that marked image."""
        return self.console().count(f" image={mark} ")

    def wait_up(self, times: int) -> dict[str, str]:
        """What it said of itself when it came up for the `times`-th time: host, keys, rootmib, mem, cpus."""
        self.wait(f"boot {times}", lambda: self.boots() >= times, BOOT_SECONDS)
        lines = [line for line in self.console().splitlines() if UP in line]
        return dict(re.findall(r"(\w+)=(\S*)", lines[times - 1]))

    def wait(self, what: str, check: Callable[[], Any], seconds: float = 120) -> None:
        """Return when `check()` is true; fail with the end of the console when it is not in time."""
        deadline = time.monotonic() + seconds
        while not check():
            if time.monotonic() > deadline:
                raise AssertionError(f"{what}: not within {seconds} s; its console: {self.console()[-600:]}")
            time.sleep(0.1)

    # --- inside, and beneath

    @property
    def host(self) -> str:
        """Where it is."""
        return str(self.real.cloud.show(self.id)["host"] or HOST)

    @property
    def driver(self) -> Any:
        """What drives it there."""
        return self.real.cloud.hosts[self.host].driver

    def run(self, script: str, seconds: float = 90) -> str:
        """What a shell script inside the guest prints; it must succeed. Through the guest agent."""
        begin = {"path": "/bin/sh", "arg": ["-c", script], "capture-output": True}
        pid = self._agent("guest-exec", begin, seconds)["pid"]
        done: dict[str, Any] = {}

        def exited() -> bool:
            done.update(self._agent("guest-exec-status", {"pid": pid}, seconds))
            return bool(done["exited"])

        self.wait(script, exited, seconds)
        said = {key: base64.b64decode(done.get(key, "")).decode() for key in ("out-data", "err-data")}
        assert done["exitcode"] == 0, (script, done["exitcode"], said)
        return said["out-data"]

    def _agent(self, command: str, arguments: dict[str, Any], seconds: float) -> Any:
        import libvirt_qemu

        text = json.dumps({"execute": command, "arguments": arguments})
        driver = self.driver

        def ask(native: Any) -> str:
            domain = native.lookupByUUIDString(self.id)
            return str(libvirt_qemu.qemuAgentCommand(domain, text, int(seconds), 0))

        return json.loads(driver.connection.call("agent", ask, seconds=seconds + 5))["return"]

    def xml(self) -> ET.Element:
        """Its machine as libvirt has it."""
        driver = self.driver
        text = driver.connection.call("xml", lambda native: native.lookupByUUIDString(self.id).XMLDesc(0))
        return ET.fromstring(text)

    @property
    def folder(self) -> Path:
        """Where its disks are."""
        return Path(self.real.cloud.hosts[self.host].conf.compute.instances_path) / self.id

    def traces(self) -> list[str]:
        """Everything on this host that still names it: files of its own, and its guest."""
        found = [str(path) for path in self.real.folder.rglob(f"*{self.id}*")]
        guests = self.real.cloud.hosts[HOST].driver.guests()
        return found + [guest.name for guest in guests if guest.server_id == self.id]


def run(*words: str | Path) -> None:
    """A program that must succeed."""
    program = shutil.which(str(words[0]))
    assert program, f"{words[0]} is not installed"
    done = subprocess.run([program, *map(str, words[1:])], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, (words, done.stderr)
