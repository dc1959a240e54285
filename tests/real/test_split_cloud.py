"""A cloud of separate daemons: real guests on two hosts, and daemons killed while servers are built."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from websocket import WebSocketException

from deploy.dev.client import Api, Refused
from deploy.dev.cloud import Cloud, Plan
from deploy.dev.guest import UP, guest_image
from deploy.dev.processes import wait_for
from tests.consoles.viewer import Screen, Stream
from tests.real.conftest import ROOMY
from tests.services.fixtures import running

pytestmark = [pytest.mark.real, pytest.mark.services]


@pytest.fixture(scope="module")
def pretended() -> Iterator[Cloud]:
    """Two of everything and four hosts that only pretend; heartbeats and patience as they come."""
    plan = Plan(computes=4, driver="fake", apis=2, conductors=2, schedulers=2, consoles=1, options=ROOMY)
    with running(Cloud(plan)) as started:
        yield started


def settled(api: Api, servers: list[str]) -> dict[str, dict[str, Any]]:
    """Those servers that are neither being built nor busy."""
    found = {server: shown(api, server) for server in servers}
    idle = {k: v for k, v in found.items() if v and not v["OS-EXT-STS:task_state"]}
    return {k: v for k, v in idle.items() if v["status"] in ("ACTIVE", "ERROR")}


def shown(api: Api, server: str) -> dict[str, Any]:
    """The server, or nothing while the API cannot answer."""
    try:
        return api.server(server)
    except (OSError, Refused):
        return {}


def insist(ask: Any, seconds: float = 30) -> Any:
    """Ask again while the API is being hurt; a refusal of the request itself is final."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return ask()
        except (OSError, Refused) as problem:
            if isinstance(problem, Refused) and problem.status < 500:
                raise
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def rows(cloud: Cloud, statement: str) -> list[tuple[Any, ...]]:
    engine = sqlalchemy.create_engine(cloud.database_url)
    try:
        with engine.connect() as link:
            return [tuple(row) for row in link.execute(sqlalchemy.text(statement))]
    finally:
        engine.dispose()


def assert_books_balance(cloud: Cloud) -> None:
    """Every placed server has one allocation, every allocation its server, every host their sum."""
    placed = rows(cloud, "SELECT id, host FROM servers WHERE NOT deleted AND vm_state <> 'error'")
    held = rows(cloud, "SELECT server_id, host FROM allocations")
    assert sorted(held) == sorted(placed)
    used = rows(cloud, "SELECT host, used_vcpus, used_ram_mb, used_disk_gb, servers FROM hosts ORDER BY host")
    sums = rows(
        cloud,
        "SELECT h.host, COALESCE(SUM(a.vcpus), 0), COALESCE(SUM(a.ram_mb), 0), COALESCE(SUM(a.disk_gb), 0),"
        " COUNT(a.server_id) FROM hosts h LEFT JOIN allocations a ON a.host = h.host"
        " GROUP BY h.host ORDER BY h.host",
    )
    assert [tuple(map(str, row)) for row in used] == [tuple(map(str, row)) for row in sums]


def test_eight_guests_on_two_hosts_come_up(split: Cloud) -> None:
    api = split.api
    image = api.upload("guest", guest_image())
    flavor = api.flavor("tiny")
    servers = [api.boot(f"guest-{i}", image, flavor) for i in range(8)]
    wait_for("8 servers settled", lambda: len(settled(api, servers)) == 8, 240, every=0.5)
    states = settled(api, servers)
    assert {s["status"] for s in states.values()} == {"ACTIVE"}, [s.get("fault") for s in states.values()]
    # Two schedulers, each asked before it has heard of the other's last pick: one of them may repeat it (seen
    # in every fifth such run, never by more than one server). One request for many is dealt out exactly: below.
    placed = Counter(s["OS-EXT-SRV-ATTR:host"] for s in states.values())
    assert min(placed["compute-1"], placed["compute-2"]) >= 3, placed

    waiting = set(servers)

    def all_up() -> bool:
        waiting.difference_update([s for s in waiting if UP in api.console(s)])
        return not waiting

    wait_for("8 guests say they are up", all_up, 300, every=1)
    assert_books_balance(split)
    for server in servers:
        api.compute("DELETE", f"/servers/{server}")
    wait_for("guests gone", lambda: not any(split.hypervisors.host(i).guests() for i in (1, 2)), 60)  # type: ignore[union-attr]
    wait_for("books closed", lambda: not rows(split, "SELECT 1 FROM allocations"), 60)
    assert_books_balance(split)


def test_one_request_for_eight_is_dealt_out_exactly(pretended: Cloud) -> None:
    api = pretended.api
    image, flavor = api.upload("dealt", guest_image()), api.flavor("dealt", ram=64, disk=1)
    body = {"name": "dealt", "imageRef": image, "flavorRef": flavor, "networks": "none",
            "min_count": 8, "return_reservation_id": True}  # fmt: skip
    reservation = api.compute("POST", "/servers", {"server": body}, version="2.37")["reservation_id"]
    servers = [s["id"] for s in api.compute("GET", f"/servers?reservation_id={reservation}")["servers"]]
    assert len(servers) == 8
    wait_for("8 servers settled", lambda: len(settled(api, servers)) == 8, 60, every=0.2)
    placed = Counter(s["OS-EXT-SRV-ATTR:host"] for s in settled(api, servers).values())
    assert placed == {f"compute-{i}": 2 for i in (1, 2, 3, 4)}
    for server in servers:
        api.compute("DELETE", f"/servers/{server}")
    wait_for("books closed", lambda: not rows(pretended, "SELECT 1 FROM allocations"), 60)


def test_consoles_through_a_proxy_on_green_threads(pretended: Cloud) -> None:
    """The stock client asks for the URL, the daemon asks over RabbitMQ; it ends in order with consoles open."""
    api = pretended.api
    server = api.boot("seen", api.upload("seen", guest_image()), api.flavor("seen", ram=64, disk=1))
    wait_for("the server", lambda: settled(api, [server]), 60, every=0.2)
    urls = {kind: _console_url(pretended, server, kind) for kind in ("novnc", "serial")}
    with Screen(urls["novnc"]) as screen, Stream(urls["serial"]) as serial:
        before = screen.picture()
        screen.press("x")
        wait_for("the picture to change", lambda: screen.picture() != before, 30)
        serial.until(b"login: ")
        serial.send(b"root\r")
        serial.until(b"Login incorrect")
        log = pretended.member("novncproxy-1").log_file.read_text()
        assert "opened the novnc console" in log and "opened the serial console" in log
        assert not [url for url in urls.values() if url.rpartition("token")[2].lstrip("%3D=") in log]
        pretended.stop_member("novncproxy-1")
        assert serial.ended(), "its daemon ended"
    pretended.start_member("novncproxy-1")
    wait_for("another proxy", lambda: _opens(urls["serial"]), 30, every=0.5)
    api.compute("DELETE", f"/servers/{server}")
    wait_for("books closed", lambda: not rows(pretended, "SELECT 1 FROM allocations"), 60)
    assert not _opens(urls["serial"])


def _console_url(cloud: Cloud, server: str, kind: str) -> str:
    program = Path(sys.executable).parent / "openstack"
    words = [program, "console", "url", "show", f"--{kind}", server, "-f", "value", "-c", "url"]
    done = subprocess.run(words, env=cloud.environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _opens(url: str) -> bool:
    try:
        with Stream(url) as serial:
            serial.until(b"login: ")
            return True
    except (OSError, WebSocketException):
        return False


@pytest.mark.parametrize("returning", [True, False], ids=["they return", "they stay away"])
def test_killed_daemons_and_a_restarted_broker_lose_no_server(pretended: Cloud, returning: bool) -> None:
    api = pretended.api
    image = api.upload("guest", guest_image())
    flavor = api.flavor(f"tiny-{returning}", ram=64, disk=1)
    servers: list[str] = []
    for i in range(20):
        servers.append(insist(lambda i=i: api.boot(f"pretended-{i}", image, flavor)))
        if i == 6:
            for name in ("conductor-1", "scheduler-1", "compute-1"):
                pretended.kill(name)
        if i == 12:
            pretended.broker.restart()
        if i == 16 and returning:
            for name in ("conductor-1", "scheduler-1", "compute-1"):
                pretended.start_member(name)
    asked = time.monotonic()
    wait_for("20 servers settled", lambda: len(settled(api, servers)) == 20, 60, every=0.5)
    print(f"settled {time.monotonic() - asked:.0f} s after the last boot was asked for")
    ends = settled(api, servers).values()
    assert all(server["status"] == "ACTIVE" or server["fault"]["message"] for server in ends)
    print(Counter(server["status"] for server in ends), [s["fault"] for s in ends if "fault" in s])
    assert not rows(pretended, "SELECT id FROM tasks WHERE state = 'open'")
    assert_books_balance(pretended)
