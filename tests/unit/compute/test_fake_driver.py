"""The hypervisor in memory: a whole driver, one that misbehaves when told to and outlives its daemon."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from novalite.compute.virt.driver import Diagnoses, Driver, SendsNmi, SetsPasswords
from novalite.compute.virt.fake import FakeDriver
from novalite.compute.virt.fake_state import SLACK
from novalite.conf.load import for_tests
from novalite.errors import DriverError, GuestNotFound, InjectedFailure
from novalite.states import PowerState
from tests.unit.compute.scripted import A, B, a_spec


def a_driver(**settings) -> FakeDriver:
    driver = FakeDriver(for_tests({"host": "alpha", **{f"fake_driver.{k}": v for k, v in settings.items()}}))
    driver.start(lambda server_id, state: None)
    return driver


def spawn(driver: FakeDriver, server_id: str = A) -> None:
    driver.spawn(a_spec(server_id), None, lambda step: None)


def test_it_is_a_driver() -> None:
    for ability in (Driver, Diagnoses, SendsNmi, SetsPasswords):
        assert isinstance(a_driver(), ability)


def test_its_size_is_configured() -> None:
    inventory = a_driver(vcpus=8, ram_mb=4096, disk_gb=100).inventory()
    assert (inventory.vcpus, inventory.ram_mb, inventory.disk_gb) == (8, 4096, 100)
    assert (inventory.host, inventory.hypervisor_type) == ("alpha", "fake")
    assert " up " in (inventory.uptime or "")


def test_failures_can_be_counted_and_healed() -> None:
    driver = a_driver()
    driver.fail("stop", "no", times=2)
    spawn(driver)
    for _ in range(2):
        with pytest.raises(InjectedFailure, match="no"):
            driver.stop_guest(a_spec(), 1)
    driver.stop_guest(a_spec(), 1)
    driver.fail("start", "never")
    for _ in range(3):
        with pytest.raises(InjectedFailure):
            driver.start_guest(a_spec())
    driver.heal()
    driver.start_guest(a_spec())


def test_operations_can_take_their_time() -> None:
    driver = a_driver(delays={"spawn": 0.05})
    driver.delay("disks", 0.05)
    began = time.monotonic()
    spawn(driver)
    assert time.monotonic() - began >= 0.1


def test_a_file_makes_a_running_daemon_fail(tmp_path: Path) -> None:
    file = tmp_path / "alpha.json"
    driver = a_driver(failures_file=str(tmp_path / "{host}.json"))
    spawn(driver)
    file.write_text(json.dumps({"spawn": {"reason": "disk is broken", "times": 1}}))
    with pytest.raises(InjectedFailure, match="disk is broken"):
        spawn(driver, B)
    spawn(driver, B)
    file.write_text("[no failures]")
    os.utime(file, ns=(1, 1))
    driver.stop_guest(a_spec(), 0)
    file.unlink()
    driver.start_guest(a_spec())


@pytest.mark.parametrize("operation", ["pause", "unpause", "suspend"])
def test_a_guest_in_the_wrong_state_is_refused(operation: str) -> None:
    driver = a_driver()
    spawn(driver)
    if operation != "unpause":
        driver.stop_guest(a_spec(), 0)
    else:
        driver.suspend_guest(a_spec())
    with pytest.raises(DriverError, match=operation):
        getattr(driver, f"{operation}_guest")(a_spec())


def test_a_guest_that_does_not_exist_is_not_found() -> None:
    driver = a_driver()
    assert driver.power_state(A) is PowerState.NOSTATE
    for act in (driver.start_guest, driver.pause_guest, driver.resume_guest):
        with pytest.raises(GuestNotFound):
            act(a_spec())


def test_the_console_tells_what_happened() -> None:
    driver = a_driver()
    spawn(driver)
    driver.stop_guest(a_spec(), 60)
    driver.start_guest(a_spec())
    driver.crash(A)
    text = driver.console_output(A, 100_000).decode()
    assert text.count("novalite-guest: up source=none host=web keys=0 rootmib=1024\n") == 2
    assert text.count("going down") == 1
    assert text.rstrip().endswith("Attempted to kill init!")


def test_guests_outlive_the_daemon(tmp_path: Path) -> None:
    state = str(tmp_path / "sub" / "{host}.journal")
    driver = a_driver(state_file=state)
    spawn(driver, A)
    spawn(driver, B)
    driver.pause_guest(a_spec(A))
    driver.destroy(a_spec(B))
    again = a_driver(state_file=state)
    assert [(g.server_id, g.power_state) for g in again.guests()] == [(A, PowerState.PAUSED)]
    assert again.console_output(A, 9999) == driver.console_output(A, 9999)


def test_a_line_cut_off_by_a_kill_is_ignored(tmp_path: Path) -> None:
    state = tmp_path / "journal"
    spawn(a_driver(state_file=str(state)))
    state.write_bytes(state.read_bytes() + b'["half')
    assert len(a_driver(state_file=str(state)).guests()) == 1


def test_the_journal_does_not_grow_for_ever(tmp_path: Path) -> None:
    state = tmp_path / "journal"
    driver = a_driver(state_file=str(state))
    spawn(driver)
    for _ in range(SLACK):
        driver.pause_guest(a_spec())
        driver.unpause_guest(a_spec())
    assert len(state.read_bytes().splitlines()) <= SLACK + 5
    assert a_driver(state_file=str(state)).power_state(A) is PowerState.RUNNING


def test_passwords_interrupts_and_counters_need_a_guest_and_most_of_them_one_that_runs() -> None:
    driver = a_driver()
    asked = {
        "set_password": lambda: driver.set_password(A, "root", "secret"),
        "nmi": lambda: driver.inject_nmi(A),
        "diagnostics": lambda: driver.diagnostics(A),
    }
    for ask in asked.values():
        with pytest.raises(GuestNotFound):
            ask()
    spawn(driver)
    for operation, ask in asked.items():
        ask()
        driver.fail(operation, "no", times=1)
        with pytest.raises(InjectedFailure):
            ask()
    said = driver.console_output(A, 9999).decode()
    assert (said.count("NMI received"), said.count("a password was changed"), "secret" in said) == (1, 1, False)
    driver.pause_guest(a_spec())
    driver.inject_nmi(A)
    assert driver.power_state(A) is PowerState.PAUSED
    driver.stop_guest(a_spec(), 0)
    for operation in ("set_password", "diagnostics"):
        with pytest.raises(DriverError, match="is not running"):
            asked[operation]()


def test_counters_grow_with_every_boot() -> None:
    driver = a_driver()
    spawn(driver)
    first = driver.diagnostics(A)
    driver.reboot_guest(a_spec(), True, 0)
    second = driver.diagnostics(A)
    assert second.cpus[0].time_ns > first.cpus[0].time_ns
    assert second.memory_mb == first.memory_mb == a_spec().flavor.ram_mb
