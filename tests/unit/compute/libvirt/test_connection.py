"""Deadlines, libvirt's errors in our words, events and states; on libvirt's own test driver."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from novalite.compute.virt.libvirt import connection as connections
from novalite.compute.virt.libvirt import embedded, states
from novalite.compute.virt.libvirt.connection import Connection, within
from novalite.compute.virt.libvirt.events import Events
from novalite.compute.virt.libvirt.guest import Domain
from novalite.errors import DriverError, DriverUnavailable, DriverUnsupported, GuestNotFound
from novalite.states import PowerState

libvirt = pytest.importorskip("libvirt")
TEST_GUEST = "6695eb01-f6a4-8304-79aa-97f2502e193f"  # the one test:///default comes with


@pytest.fixture
def events() -> Events:
    return Events(look=lambda server_id: PowerState.RUNNING, ours=lambda server_id: True)


@pytest.fixture
def connection(events: Events) -> Iterator[Connection]:
    made = Connection("test:///default", call_timeout=5, wait=1, keepalive=5, on_open=events.attach)
    made.open()
    yield made
    made.close()


def test_answer_comes_back_from_the_other_thread() -> None:
    assert within(1, "one", lambda: 1) == 1


def test_call_that_hangs_ends_at_its_deadline() -> None:
    began = time.monotonic()
    with pytest.raises(DriverError, match=r"did not answer 'sleep' within 0\.1 seconds"):
        within(0.1, "sleep", lambda: time.sleep(5))
    assert time.monotonic() - began < 4


def test_unknown_guest_is_not_found(connection: Connection) -> None:
    guest = Domain(connection, "00000000-0000-0000-0000-000000000001")
    assert guest.state() is None and guest.power() is PowerState.NOSTATE and guest.mark() is None
    with pytest.raises(GuestNotFound, match="00000000-0000-0000-0000-000000000001"):
        guest.require()
    guest.kill()
    guest.undefine()


def test_guest_of_somebody_else_has_no_mark(connection: Connection) -> None:
    assert Domain(connection, TEST_GUEST).mark() is None


def test_orders_given_twice_have_the_effect_once(connection: Connection) -> None:
    guest = Domain(connection, TEST_GUEST)
    guest.kill()
    guest.kill()
    assert guest.power() is PowerState.SHUTDOWN
    guest.start()
    guest.start()
    assert guest.power() is PowerState.RUNNING


def test_bad_definition_is_refused_with_libvirts_sentence(connection: Connection) -> None:
    with pytest.raises(DriverError, match="The hypervisor refused"):
        Domain(connection, TEST_GUEST).define("<domain/>")


def test_unsupported_call_says_so(connection: Connection) -> None:
    with pytest.raises(DriverUnsupported):
        connection.call("none", lambda native: native.domainXMLFromNative("x", "y", 0))


def test_unreachable_daemon_is_named_with_what_to_do(tmp_path: Path) -> None:
    broken = Connection(f"qemu+unix:///system?socket={tmp_path}/none", call_timeout=5, wait=0.2, keepalive=5)
    with pytest.raises(DriverUnavailable, match="Is libvirtd running"):
        broken.open()
    with pytest.raises(DriverUnavailable):
        broken.call("version", lambda native: native.getVersion())
    broken.close()


def test_closed_connection_answers_at_once(connection: Connection) -> None:
    connection.close()
    began = time.monotonic()
    with pytest.raises(DriverUnavailable, match="closed"):
        connection.call("version", lambda native: native.getVersion())
    assert time.monotonic() - began < 4


def test_missing_library_is_named() -> None:
    hidden = sys.modules.get("libvirt")
    sys.modules["libvirt"] = None  # type: ignore[assignment]
    try:
        with pytest.raises(DriverUnavailable, match="python3-libvirt"):
            connections.module()
    finally:
        sys.modules["libvirt"] = hidden  # type: ignore[assignment]


@pytest.mark.parametrize("uri,root", [
    ("qemu:///system", None), ("qemu:///embed?root=/srv/q", Path("/srv/q")), ("test:///default", None)])
def test_embedded_uris_are_recognised(uri: str, root: Path | None) -> None:
    assert embedded.root(uri) == root


@pytest.mark.parametrize("uri", ["qemu:///embed", "qemu:///embed?root=here"])
def test_embedded_uri_without_a_folder_is_refused(uri: str) -> None:
    with pytest.raises(DriverUnavailable, match="absolute folder"):
        embedded.root(uri)


def test_watcher_is_told_what_is_true_when_something_happens(connection: Connection, events: Events) -> None:
    told: list[tuple[str, PowerState]] = []
    heard = threading.Event()

    def watch(server_id: str, state: PowerState) -> None:
        told.append((server_id, state))
        heard.set()

    events.start(watch)
    try:
        Domain(connection, TEST_GUEST).pause()
        assert heard.wait(2)
    finally:
        events.stop()
        Domain(connection, TEST_GUEST).unpause()
    assert told[0] == (TEST_GUEST, PowerState.RUNNING)  # the state looked up, not the one in the event


def test_waiting_for_a_guest_ends_when_it_changes(connection: Connection, events: Events) -> None:
    guest = Domain(connection, TEST_GUEST)
    with events.watching(TEST_GUEST) as signal:
        threading.Timer(0.1, guest.kill).start()
        began = time.monotonic()
        signal.wait(5)
        assert time.monotonic() - began < 2
    assert not signal.rebooted
    guest.start()


def test_failing_watcher_does_not_end_the_watch(events: Events) -> None:
    heard = threading.Event()

    def watch(server_id: str, state: PowerState) -> None:
        if server_id == "bad":
            raise RuntimeError("a watcher's own mistake")
        heard.set()

    events.start(watch)
    events.tell("bad")
    events.tell("good")
    assert heard.wait(2)
    events.stop()


def _libvirt_values(prefix: str, names: Any) -> dict[str, int]:
    return {name: getattr(libvirt, f"{prefix}{name}") for name in names}


def test_numbers_are_those_of_the_installed_libvirt() -> None:
    assert {s.name: s.value for s in states.State} == _libvirt_values("VIR_DOMAIN_", states.State.__members__)
    assert {e.name: e.value for e in states.Lifecycle} == _libvirt_values(
        "VIR_DOMAIN_EVENT_", states.Lifecycle.__members__)
    assert states.SHUTOFF_CRASHED == libvirt.VIR_DOMAIN_SHUTOFF_CRASHED
    assert states.SHUTOFF_DAEMON == libvirt.VIR_DOMAIN_SHUTOFF_DAEMON
    codes = {"NO_SUPPORT": connections.NO_SUPPORT, "NO_CONNECT": connections.NO_CONNECT,
             "INVALID_CONN": connections.INVALID_CONN, "SYSTEM_ERROR": connections.SYSTEM,
             "RPC": connections.RPC, "NO_DOMAIN": connections.NO_DOMAIN,
             "AUTH_FAILED": connections.AUTH_FAILED, "AUTH_UNAVAILABLE": connections.AUTH_UNAVAILABLE,
             "OPERATION_UNSUPPORTED": connections.OPERATION_UNSUPPORTED,
             "ARGUMENT_UNSUPPORTED": connections.ARGUMENT_UNSUPPORTED}
    assert codes == _libvirt_values("VIR_ERR_", codes)
    assert (connections.FROM_REMOTE, connections.FROM_RPC) == (libvirt.VIR_FROM_REMOTE, libvirt.VIR_FROM_RPC)


@pytest.mark.parametrize("name,power", [
    ("PAUSED_USER", PowerState.PAUSED), ("PAUSED_IOERROR", PowerState.PAUSED),
    ("PAUSED_SAVE", PowerState.RUNNING), ("PAUSED_MIGRATION", PowerState.RUNNING),
    ("PAUSED_DUMP", PowerState.RUNNING), ("PAUSED_FROM_SNAPSHOT", PowerState.RUNNING),
    ("PAUSED_SHUTTING_DOWN", PowerState.RUNNING), ("PAUSED_SNAPSHOT", PowerState.RUNNING),
    ("PAUSED_CRASHED", PowerState.CRASHED), ("PAUSED_STARTING_UP", PowerState.RUNNING),
    ("PAUSED_POSTCOPY", PowerState.RUNNING), ("PAUSED_POSTCOPY_FAILED", PowerState.PAUSED),
])
def test_pause_of_the_hosts_own_is_not_the_guests(name: str, power: PowerState) -> None:
    assert states.power(states.State.PAUSED, getattr(libvirt, f"VIR_DOMAIN_{name}")) is power


@pytest.mark.parametrize("state,reason,power", [
    (states.State.SHUTOFF, 1, PowerState.SHUTDOWN), (states.State.SHUTOFF, 3, PowerState.CRASHED),
    (states.State.SHUTDOWN, 0, PowerState.RUNNING), (states.State.PMSUSPENDED, 0, PowerState.SUSPENDED),
    (99, 0, PowerState.NOSTATE),
])
def test_states_in_our_words(state: int, reason: int, power: PowerState) -> None:
    assert states.power(state, reason) is power
