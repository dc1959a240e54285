"""A crash dump is triggered in a guest, which stays what it is."""

from __future__ import annotations

import pytest

from novalite.conductor.tasks import FLOWS
from tests.cloud import Cloud
from tests.flows.harness import broken_step, check_invariants, step_cases

SEEN = b"NMI received"


def test_a_guest_hears_the_interrupt_and_goes_on(cloud: Cloud) -> None:
    server_id = cloud.boot("web")
    for action in ("", "pause"):
        if action:
            cloud.act(server_id, action)
        before = cloud.show(server_id)
        cloud.act(server_id, "trigger_crash_dump")
        after = cloud.show(server_id)
        assert [after[k] for k in ("vm_state", "task_state", "power_state")] == [
            before[k] for k in ("vm_state", "task_state", "power_state")
        ]
    assert cloud.driver("alpha").console_output(server_id, 9999).count(SEEN) == 2
    check_invariants(cloud)


@pytest.mark.parametrize("case", step_cases(FLOWS["signal"]), ids=" ".join)
def test_triggering_survives(two_conductors: Cloud, case: tuple[str, str]) -> None:
    cloud, (step, mode) = two_conductors, case
    server_id = cloud.boot("web")
    with broken_step(cloud.conductors[0], "signal", step, mode) as saboteur:
        cloud.act(server_id, "trigger_crash_dump", tolerant=True)
        cloud.recover()
        assert saboteur.acted
    server = cloud.show(server_id)
    assert server["vm_state"] == "active"
    assert cloud.driver(server["host"]).console_output(server_id, 9999).count(SEEN) <= 1
    check_invariants(cloud)


def test_a_host_that_cannot_leaves_the_server_as_it_was(cloud: Cloud) -> None:
    server_id = cloud.boot("web")
    cloud.fail_everywhere("nmi", "monitor timed out")
    cloud.act(server_id, "trigger_crash_dump")
    server = cloud.show(server_id)
    assert (server["vm_state"], server["task_state"]) == ("active", None)
