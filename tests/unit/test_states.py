"""The tables of states: complete, consistent, and shown as the API reference says."""

from __future__ import annotations

import pytest

from novalite import states
from novalite.conductor.tasks import FLOWS
from novalite.states import ACTIONS, PowerState, status, vm_states_of

VM_STATES = (
    states.BUILDING, states.ACTIVE, states.STOPPED, states.PAUSED, states.SUSPENDED, states.RESCUED,
    states.RESIZED, states.SOFT_DELETED, states.DELETED, states.ERROR, states.SHELVED,
    states.SHELVED_OFFLOADED,
)  # fmt: skip


@pytest.mark.parametrize("verb", ACTIONS)
def test_every_action_is_complete(verb: str) -> None:
    rule = ACTIONS[verb]
    assert rule.allowed_from and set(rule.allowed_from) <= set(VM_STATES)
    assert rule.busy.islower() and rule.record
    if rule.flow == "power":
        assert rule.lands_in in VM_STATES
        assert isinstance(rule.power, PowerState)
    else:
        assert rule.flow in FLOWS
        assert rule.lands_in is None or rule.lands_in in VM_STATES


def test_no_two_actions_keep_a_server_busy_by_the_same_name() -> None:
    """But for moves, which the API shows as what they are made of: a resize, a rebuild."""
    alike = {"migrate": "resize", "evacuate": "rebuild"}
    assert len({rule.busy for rule in ACTIONS.values()}) == len(ACTIONS) - len(alike)
    assert all(ACTIONS[verb].busy == ACTIONS[other].busy for verb, other in alike.items())


def test_every_state_that_an_action_leads_to_can_be_left_again() -> None:
    reachable = {rule.lands_in for rule in ACTIONS.values() if rule.lands_in}
    left = {state for rule in ACTIONS.values() for state in rule.allowed_from}
    assert reachable <= left


ALLOWED = {
    # verb: (states it is accepted in, state it leads to); API reference, "Servers - run an action"
    "start": ({"stopped"}, "active"),
    "stop": ({"active", "error"}, "stopped"),
    "reboot": ({"active"}, "active"),
    "reboot_hard": ({"active", "stopped", "paused", "suspended", "error"}, "active"),
    "pause": ({"active"}, "paused"),
    "unpause": ({"paused"}, "active"),
    "suspend": ({"active"}, "suspended"),
    "resume": ({"suspended"}, "active"),
    "restore": ({"soft-delete"}, "active"),
    "trigger_crash_dump": ({"active", "paused", "rescued", "resized", "error"}, None),
    "change_password": ({"active"}, None),
    "rebuild": ({"active", "stopped", "error"}, None),  # to where it was, from error to active
    "rescue": ({"active", "stopped", "error"}, "rescued"),
    "unrescue": ({"rescued"}, "active"),
    "resize": ({"active", "stopped"}, "resized"),
    "migrate": ({"active", "stopped"}, "resized"),
    "live_migrate": ({"active", "paused"}, None),
    "evacuate": ({"active", "stopped", "error"}, None),  # to active, or stopped when it was or from 2.95 on
    "confirm_resize": ({"resized"}, None),
    "revert_resize": ({"resized"}, None),
    "createImage": ({"active", "stopped", "paused", "suspended"}, None),
    "createBackup": ({"active", "stopped", "paused", "suspended"}, None),
    "shelve": ({"active", "stopped", "paused", "suspended"}, None),  # or at once to shelved_offloaded
    "shelveOffload": ({"shelved"}, None),
    "unshelve": ({"shelved", "shelved_offloaded"}, "active"),
    "attach_interface": ({"active", "paused", "stopped"}, None),
    "detach_interface": ({"active", "paused", "stopped"}, None),
}


def test_what_the_reference_says_of_actions() -> None:
    assert {v: (set(r.allowed_from), r.lands_in) for v, r in ACTIONS.items()} == ALLOWED


SHOWN = [
    # vm_state, task_state, status
    ("building", "scheduling", "BUILD"),
    ("building", "spawning", "BUILD"),
    ("active", None, "ACTIVE"),
    ("active", "rebooting", "REBOOT"),
    ("active", "reboot_started", "REBOOT"),
    ("active", "rebooting_hard", "HARD_REBOOT"),
    ("active", "updating_password", "PASSWORD"),
    ("active", "rebuilding", "REBUILD"),
    ("active", "resize_migrating", "RESIZE"),
    ("active", "migrating", "MIGRATING"),
    ("active", "powering-off", "ACTIVE"),
    ("active", "pausing", "ACTIVE"),
    ("active", "deleting", "ACTIVE"),
    ("stopped", None, "SHUTOFF"),
    ("stopped", "powering-on", "SHUTOFF"),
    ("stopped", "resize_prep", "RESIZE"),
    ("paused", None, "PAUSED"),
    ("suspended", None, "SUSPENDED"),
    ("rescued", None, "RESCUE"),
    ("resized", None, "VERIFY_RESIZE"),
    ("resized", "resize_reverting", "REVERT_RESIZE"),
    ("error", None, "ERROR"),
    ("error", "deleting", "ERROR"),
    ("deleted", None, "DELETED"),
    ("soft-delete", None, "SOFT_DELETED"),
    ("shelved", None, "SHELVED"),
    ("shelved_offloaded", None, "SHELVED_OFFLOADED"),
    ("from a newer version", None, "UNKNOWN"),
    ("active", "from a newer version", "ACTIVE"),
]


@pytest.mark.parametrize(("vm_state", "task_state", "shown"), SHOWN)
def test_what_users_see(vm_state: str, task_state: str | None, shown: str) -> None:
    assert status(vm_state, task_state) == shown


@pytest.mark.parametrize("vm_state", VM_STATES)
def test_every_state_is_shown(vm_state: str) -> None:
    assert status(vm_state) != "UNKNOWN"


@pytest.mark.parametrize("row", [row for row in SHOWN if row[2] != "UNKNOWN"], ids=str)
def test_a_status_filter_finds_what_shows_it(row: tuple[str, str | None, str]) -> None:
    """It may find more (a filter looks at states, a status also at what is being done), never less, as long
    as the status is one that this very state shows when nothing is being done or while it is busy so."""
    vm_state, task_state, shown = row
    vm_states, task_states = vm_states_of(shown)
    assert vm_state in vm_states
    assert task_states is None or task_state in task_states


@pytest.mark.parametrize(("asked", "found"), [
    ("active", (("active",), None)), ("ACTIVE", (("active",), None)), ("HAPPY", ((), None)), ("", ((), None)),
])  # fmt: skip
def test_what_a_status_filter_means(asked: str, found: tuple[tuple[str, ...], None]) -> None:
    assert vm_states_of(asked) == found


def test_power_states_have_the_published_numbers() -> None:
    assert {s.name: int(s) for s in PowerState} == {
        "NOSTATE": 0, "RUNNING": 1, "PAUSED": 3, "SHUTDOWN": 4, "CRASHED": 6, "SUSPENDED": 7,
    }  # fmt: skip
