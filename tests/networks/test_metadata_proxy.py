"""What answers guests at 169.254.169.254 on their host: who it says they are, and what it bears."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from deploy.dev.processes import started, wait_for
from novalite.networks.on_host import dhcp
from novalite.networks.on_host.host import obstacle
from novalite.networks.on_host.metadata_proxy import BODY_BYTES, HEADER_BYTES, PER_GUEST, Bad, read_request
from novalite.objects import metadata_signature as signed
from novalite.objects.host_networks import AddressPair, GroupRule, HostNetworks, MetadataAccess
from tests.networks.builders import NET, SECOND, SUBNET, a_group, a_network, a_port, wanted
from tests.networks.frames import udp
from tests.networks.worlds import Guest, Machine, Space, World, run

networks = pytest.mark.skipif(obstacle() is not None, reason=f"no networks can be made here: {obstacle()}")
KEY = signed.host_key("secret", "here")
ASK = """
import json, socket, sys
for address in sys.argv[3:]:
    family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
    s = socket.socket(family)
    s.settimeout(5)
    if address:
        s.bind((address, 0))
    try:
        scope = (0, socket.if_nametoindex("eth0")) if family == socket.AF_INET6 else ()
        s.connect((sys.argv[1], 80, *scope))
        s.sendall(bytes.fromhex(sys.argv[2]))
        said = b""
        while piece := s.recv(65536):
            said += piece
        print(said.decode())
    except OSError as error:
        print(type(error).__name__)
"""
"""In a guest: send these bytes, from that address of its own."""


class Service:
    """A metadata service that answers with what it was asked."""

    def __init__(self) -> None:
        asked = self.asked = []  # type: list[dict[str, str]]

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append({"path": self.path, **{name.lower(): value for name, value in self.headers.items()}})
                length = int(self.headers.get("Content-Length", 0))
                text = json.dumps({"method": self.command, "path": self.path, "body": self.rfile.read(length).decode()})
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(text.encode())

            do_POST = do_HEAD = do_GET

            def log_message(self, *_: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.access = MetadataAccess(url=f"http://127.0.0.1:{self.server.server_port}", host="here", key=KEY)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    made = Service()
    yield made
    made.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path) as made:
        yield made


def told(service: Service, *ports: Any, **more: Any) -> HostNetworks:
    return wanted(*ports, metadata=service.access, **more)


def a_guest(world: World, port: Any) -> Guest:
    guest = world.guest(0, port)
    guest.address()
    guest.run("ip", "route", "add", "169.254.169.254", "dev", "eth0")
    return guest


def ask(guest: Guest, request: bytes = b"GET / HTTP/1.1\r\n\r\n", source: str = "", to: str = "169.254.169.254") -> str:
    return guest.run(sys.executable, "-c", ASK, to, request.hex(), source).stdout


def proxy(machine: Machine) -> int:
    """Its process."""
    return int((machine.folder / "dhcp-metadata" / "pid").read_text())


@networks
def test_requests_are_handed_on_with_who_asks_and_nothing_that_a_guest_says_of_itself(world, service):
    port = a_port(5, server_id="server-5")
    machine = world.machines[0]
    machine.apply(told(service, port))
    guest = a_guest(world, port)
    lies = {"X-Forwarded-For": "10.9.0.6", "X-Instance-ID": "other", signed.ADDRESS: "10.9.0.6",
            signed.HOST: "there", signed.SERVER: "other", signed.SIGNATURE: "0" * 64,
            "Forwarded": "for=10.9.0.6", "Accept": "application/json"}  # fmt: skip
    said = ask(guest, b"GET /openstack?x=1 HTTP/1.1\r\nHost: metadata\r\n"
                      + "".join(f"{name}: {value}\r\n" for name, value in lies.items()).encode() + b"\r\n")  # fmt: skip
    assert said.startswith("HTTP/1.1 200 OK\n") and '"path": "/openstack?x=1"' in said
    seen = service.asked[-1]
    assert (seen[signed.HOST.lower()], seen[signed.NETWORK.lower()]) == ("here", NET)
    assert seen[signed.ADDRESS.lower()] == "10.9.0.5"
    assert seen[signed.SERVER.lower()] == "server-5"
    assert seen[signed.SIGNATURE.lower()] == signed.sign(KEY, NET, "10.9.0.5", "server-5")
    assert seen["accept"] == "application/json"
    assert not {"x-forwarded-for", "x-instance-id", "forwarded"} & seen.keys()
    posted = ask(guest, b"POST /openstack/latest/password HTTP/1.1\r\nContent-Length: 6\r\n\r\nc2VjcmV0"[:-2])
    assert '"body": "c2Vjcm"' in posted
    # by IPv6, where a guest is known by its MAC address
    own = guest.run("ip", "-6", "-o", "addr", "show", "dev", "eth0", "scope", "link").stdout.split()[3].split("/")[0]
    wait_for("its own address", lambda: "tentative" not in guest.run("ip", "-6", "addr", "show").stdout, 10)
    assert ask(guest, to="fe80::a9fe:a9fe").startswith("HTTP/1.1 200")
    assert service.asked[-1][signed.ADDRESS.lower()] == own
    # it can do nothing but this, and nobody else can read its key
    status = Path(f"/proc/{proxy(machine)}/status").read_text()
    facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert facts["Uid"].split()[0] != "0" and int(facts["CapEff"], 16) == 0 and facts["NoNewPrivs"] == "1"
    assert (machine.folder / "dhcp-metadata" / "config").stat().st_mode & 0o077 == 0
    assert KEY.encode() not in Path(f"/proc/{proxy(machine)}/cmdline").read_bytes()


@networks
def test_who_has_an_address_next_is_another_server_at_once_and_nobody_is_none(world, service):
    machine, port = world.machines[0], a_port(5, server_id="first")
    machine.apply(told(service, port, a_port(6)))
    guest, pid = a_guest(world, port), proxy(machine)
    ask(guest)
    assert service.asked[-1][signed.SERVER.lower()] == "first"
    machine.apply(told(service, a_port(5, server_id="second"), a_port(6)))
    ask(guest)
    assert service.asked[-1][signed.SERVER.lower()] == "second"
    before = len(service.asked)
    machine.apply(told(service, a_port(5, server_id="second", addresses=()), a_port(6)))
    assert "HTTP" not in ask(guest)
    assert (len(service.asked), proxy(machine)) == (before, pid)


@networks
def test_equal_addresses_of_two_networks_are_two_guests(world, service):
    other = a_network(id=SECOND, segmentation_id=78, subnets=(SUBNET.model_copy(update={"id": "sub-2"}),))
    ports = a_port(5), a_port(5, id="00000015-0000-4000-8000-000000000002", network_id=SECOND, mac="fa:16:3e:00:00:15")
    world.machines[0].apply(told(service, *ports, networks=(a_network(), other)))
    seen = set()
    for port in ports:
        assert ask(a_guest(world, port)).startswith("HTTP/1.1 200")
        seen.add((service.asked[-1][signed.NETWORK.lower()], service.asked[-1][signed.ADDRESS.lower()]))
    assert seen == {(NET, "10.9.0.5"), (SECOND, "10.9.0.5")}


@networks
@pytest.mark.parametrize("guarded", [True, False])
def test_nobody_asks_from_the_address_of_another_whatever_its_port_may_send_from(world, service, guarded):
    """A pair may let a port send from a neighbour's address, and a port without security from any."""
    pair = AddressPair(ip="10.9.0.0/24")
    ports = a_port(5, allowed_pairs=(pair,) if guarded else (), port_security=guarded), a_port(6)
    world.machines[0].apply(told(service, *ports))
    guest = a_guest(world, ports[0])
    guest.address("10.9.0.6")
    before = len(service.asked)
    assert "HTTP" not in ask(guest, source="10.9.0.6")
    assert len(service.asked) == before
    assert ask(guest, source="10.9.0.5").startswith("HTTP/1.1 200")


def tagged(frame: bytes) -> bytes:
    """With a tag that says nothing, which the kernel takes off."""
    return frame[:12] + bytes.fromhex("81000000") + frame[12:]


@networks
def test_tags_hide_no_address(world):
    """What is sent from the address of another has no answer, however often it is wrapped."""
    ports = a_port(5, port_security=False), a_port(6)
    everything = a_group(GroupRule(direction="ingress"))
    world.machines[0].apply(wanted(*ports, groups=(everything,)))
    one, other = (a_guest(world, port) for port in ports)
    assert one.pings("169.254.169.254") and other.pings("169.254.169.254")
    own, forged = (udp(dhcp.mac(NET), one.port.mac, source, "169.254.169.254", (7, 80), b"x")
                   for source in (one.ip, other.ip))  # fmt: skip

    def answers(guest: Guest, *sent: bytes) -> int:
        """ICMP errors: nobody listens for UDP there."""
        heard = guest.hears(lambda: one.send(*sent), 0.5)
        return sum(frame[12:14] == b"\x08\x00" and frame[23] == 1 for frame in heard)

    assert answers(one, own) == 1
    assert answers(other, forged, tagged(forged), tagged(tagged(forged))) == 0


@networks
def test_it_outlives_its_daemon_follows_its_networks_and_leaves_nothing(world, service):
    machine, port = world.machines[0], a_port(5)
    before = machine.links()
    machine.apply(told(service, port))
    guest, first = a_guest(world, port), proxy(world.machines[0])
    machine.kill_daemon()
    assert ask(guest).startswith("HTTP/1.1 200")
    machine.apply(told(service, port))
    assert proxy(machine) == first, "known again"
    # killed with its DHCP server, both come back
    os.kill(first, signal.SIGKILL)
    for pid in machine.dhcp_servers():
        os.kill(pid, signal.SIGKILL)
    machine.apply(told(service, port), thorough=True)
    assert ask(guest).startswith("HTTP/1.1 200")
    # another network: another process, and the old one goes
    second = proxy(machine)
    assert second != first
    more = a_port(7, network_id=SECOND)
    machine.apply(told(service, port, more, networks=(a_network(), a_network(id=SECOND, segmentation_id=78))))
    wait_for("the old one is gone", lambda: not started(second), 20)
    assert ask(guest).startswith("HTTP/1.1 200")
    # not to be told any more
    machine.apply(wanted(port))
    assert "HTTP" not in ask(guest)
    machine.apply(told(service, port))
    assert ask(guest).startswith("HTTP/1.1 200")
    last = proxy(machine)
    guest.machine.run("ip", "link", "del", guest.tap)
    machine.apply(HostNetworks(host="here"))
    machine.comes_down_to(before)
    wait_for("the last one is gone", lambda: not started(last), 10)  # without a command line, it may still be ending
    assert not (machine.folder / "dhcp-metadata").exists()


HOLD = """
import socket, sys, time
held = []
for number in range(int(sys.argv[1])):
    s = socket.create_connection(("169.254.169.254", 80), 5)
    s.sendall(b"GET / HT")
    held.append(s)
print("holding", flush=True)
sys.stdin.read()
"""


@networks
def test_a_guest_that_holds_connections_keeps_nobody_else_from_asking(world, service):
    ports = a_port(5), a_port(6)
    world.machines[0].apply(told(service, *ports))
    bad, good = (a_guest(world, port) for port in ports)
    holding = bad.popen(sys.executable, "-c", HOLD, str(PER_GUEST * 25))
    try:
        assert holding.stdout is not None and holding.stdout.readline() == "holding\n"
        assert ask(good).startswith("HTTP/1.1 200")
    finally:
        holding.communicate("")


ENTER = """
import sys
from pathlib import Path
from novalite.networks.on_host.metadata import MetadataProxy
from novalite.objects.host_networks import MetadataAccess

proxy = MetadataProxy(Path(sys.argv[1]))
proxy.converge(MetadataAccess(url="http://127.0.0.1:1", host="here", key="k"), {"net": int(sys.argv[2])})
print(proxy.pid() is not None)
proxy.end()
"""


@networks
def test_what_the_unit_of_a_host_may_do_is_enough_to_answer_guests(tmp_path):
    """A DHCP server has given up root; to enter its namespace takes more than to make it."""
    unit = Path(__file__).parents[2] / "deploy/systemd/novalite-compute.service"
    sets = (line.split("=", 1) for line in unit.read_text().splitlines() if "=" in line)
    lines = [value for name, value in sets if name == "CapabilityBoundingSet"]
    may = ",".join(["-all", *(f"+{name.removeprefix('CAP_').lower()}" for name in " ".join(lines).split())])
    space = Space()
    served = space.popen("setpriv", "--reuid=nobody", "--clear-groups", "cat")
    try:
        space.run("ip", "link", "set", "lo", "up")
        space.run("ip", "address", "add", "169.254.169.254/32", "dev", "lo")
        wait_for("it gave up root", lambda: Path(f"/proc/{served.pid}").stat().st_uid != 0, 10)
        words = ("setpriv", f"--bounding-set={may}", f"--inh-caps={may}", sys.executable, "-c", ENTER)
        done = run(*words, str(tmp_path / "proxy"), str(served.pid), check=False)
        assert done.stdout == "True\n", done.stderr
    finally:
        served.communicate("")
        space.close()


# --- what is read, without any network --------------------------------------------------------------

BAD: dict[str, tuple[bytes, int]] = {
    "not HTTP": (b"\x16\x03\x01 nonsense\r\n\r\n", 400),
    "another method": (b"CONNECT / HTTP/1.1\r\n\r\n", 405),
    "another server": (b"GET http://10.0.0.1/ HTTP/1.1\r\n\r\n", 400),
    "a header that is none": (b"GET / HTTP/1.1\r\nnonsense\r\n\r\n", 400),
    "a folded header": (b"GET / HTTP/1.1\r\nA: b\r\n c: d\r\n\r\n", 400),
    "a bare line feed": (b"GET / HTTP/1.1\r\nA: b\nX-Novalite-Host: here\r\n\r\n", 400),
    "a space before the colon": (b"GET / HTTP/1.1\r\nContent-Length : 3\r\n\r\n", 400),
    "two lengths": (b"POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400),
    "a negative length": (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
    "chunks": (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "a huge body": (b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (BODY_BYTES + 1), 413),
    "a huge header": (b"GET / HTTP/1.1\r\nA: " + b"x" * (2 * HEADER_BYTES) + b"\r\n\r\n", 431),
    "an endless header": (b"GET / HTTP/1.1\r\nA: " + b"x" * (2 * HEADER_BYTES), 431),
}


def read(data: bytes, **more: Any) -> Any:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(data)
        theirs.shutdown(socket.SHUT_WR)
        return read_request(ours, **more)


@pytest.mark.parametrize("what", BAD)
def test_a_request_that_is_none_is_refused(what):
    data, status = BAD[what]
    with pytest.raises(Bad) as refused:
        read(data)
    assert refused.value.status == status


def test_a_request_is_read_whole_and_a_slow_one_is_given_up():
    asked = read(b"POST /a HTTP/1.0\r\nContent-Length: 3\r\nAccept: x\r\n\r\nabcdef")
    assert (asked.method, asked.target, asked.headers["accept"], asked.body) == ("POST", "/a", "x", b"abc")
    with pytest.raises(ConnectionError):
        read(b"GET / HTTP/1.1\r\n")
    ticks: Callable[[], float] = iter([0.0, 1.0, 11.0]).__next__
    with pytest.raises(TimeoutError):
        read(b"GET / HTTP/1.1\r\n", clock=ticks)
