"""Decisions that need no daemon: time-outs, console tails, work desk corners, drivers by name."""

from __future__ import annotations

import threading

import pytest

from novalite.compute.consoles import tail
from novalite.compute.power import POWER, patience
from novalite.compute.virt import load_driver
from novalite.compute.virt.driver import Driver
from novalite.compute.virt.fake import FakeDriver
from novalite.compute.work import Job, Pools, WorkDesk
from novalite.conf.load import for_tests
from novalite.errors import ConfigError
from novalite.states import POWER_VERBS
from tests.unit.compute.scripted import a_flavor, a_work


def test_every_power_verb_of_the_state_table_has_a_row() -> None:
    assert POWER.keys() >= set(POWER_VERBS)


@pytest.mark.parametrize(("work", "seconds"), [
    (a_work("stop"), 60),
    (a_work("reboot"), 45),
    (a_work("stop", image_properties={"os_shutdown_timeout": "300"}), 300),
    (a_work("stop", image_properties={"os_shutdown_timeout": "300"},
            flavor=a_flavor(extra_specs={"os_shutdown_timeout": "20"})), 20),
    (a_work("stop", params={"timeout": 0}, image_properties={"os_shutdown_timeout": "300"}), 0),
    (a_work("stop", image_properties={"os_shutdown_timeout": "soon"}), 60),
    (a_work("stop", image_properties={"os_shutdown_timeout": "-1"}), 60),
    (a_work("stop", image_properties={"os_shutdown_timeout": "nan"}), 60),
    (a_work("stop", image_properties={"os_shutdown_timeout": "1e9"}), 3600),
])  # fmt: skip
def test_how_long_a_guest_may_take(work, seconds: float) -> None:
    assert patience(for_tests({"compute.reboot_timeout": 45}), work) == seconds


@pytest.mark.parametrize(
    ("log", "length", "text"),
    [
        (b"", 5, ""),
        (b"a\nb\nc\n", None, "a\nb\nc\n"),
        (b"a\nb\nc\n", -1, "a\nb\nc\n"),
        (b"a\nb\nc\n", 3, "b\nc\n"),
        (b"a\r\nb\r\nc", 2, "b\r\nc"),
        (b"a\nb", 9, "a\nb"),
        (b"a\nb\nlogin: ", 1, "login: "),
        (b"a\nb", 0, ""),
        ("…x".encode()[1:], None, "x"),
        (b"ok \xff\xfe!", None, "ok \ufffd\ufffd!"),
    ],
)
def test_the_tail_of_a_console(log: bytes, length: int | None, text: str) -> None:
    assert tail(log, length) == text


def test_a_closed_desk_takes_nothing() -> None:
    desk = WorkDesk("desk-1", Pools.of_threads(1, 1))
    assert desk.close(0.1)
    assert not desk.submit(Job.own("x", lambda: None))
    assert not desk.in_hand("x")


def test_work_that_raises_does_not_block_the_next() -> None:
    desk, done = WorkDesk("desk-2", Pools.of_threads(1, 1)), threading.Event()
    desk.submit(Job.own("x", lambda: 1 / 0))
    desk.submit(Job.own("x", done.set))
    assert done.wait(2)
    assert desk.wait_idle(2)


def test_drivers_are_found_by_name() -> None:
    assert isinstance(load_driver(for_tests({"compute.driver": "fake"})), FakeDriver)
    path = "novalite.compute.virt.fake:FakeDriver"
    assert isinstance(load_driver(for_tests({"compute.driver": path})), Driver)
    with pytest.raises(ConfigError, match="driver xen is unknown; there are fake, libvirt"):
        load_driver(for_tests({"compute.driver": "xen"}))
    with pytest.raises(ConfigError, match="cannot be loaded"):
        load_driver(for_tests({"compute.driver": "no.such.module:Driver"}))
