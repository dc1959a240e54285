"""Passwords are changed inside guests, and written down nowhere; broken in every way once."""

from __future__ import annotations

import logging

import pytest
from sqlalchemy import select

from novalite.conductor.tasks import FLOWS
from novalite.db import servers
from novalite.db.models.base import Base
from novalite.errors import InvalidServerState, NovaliteError, PasswordNotSet, ServerLocked
from novalite.rpc.contracts.passwords import Passwords
from novalite.rpc.contracts.servers import InstanceActions, Servers
from tests.cloud import Cloud
from tests.flows.harness import broken_step, check_invariants, step_cases

SECRET = "Correct-Horse-9"
CHANGED = b"a password was changed"


def change(cloud: Cloud, server_id: str, tolerant: bool = False) -> NovaliteError | None:
    """Ask, as the API does; what it was answered."""
    try:
        cloud.client.of(Passwords).change(cloud.ctx, server_id, SECRET)
    except NovaliteError as error:
        if not tolerant:
            raise
        return error
    return None


def times_changed(cloud: Cloud, server_id: str) -> int:
    host = cloud.show(server_id)["host"]
    return cloud.driver(host).console_output(server_id, 9999).count(CHANGED)


def nowhere_written(cloud: Cloud, caplog: pytest.LogCaptureFixture) -> None:
    with cloud.db.read() as session:
        rows = [row for table in Base.metadata.sorted_tables for row in session.execute(select(table))]
    assert SECRET not in repr(rows)
    assert SECRET not in caplog.text
    assert all(not c.manager.env.secrets for c in cloud.conductors if c.alive)


def test_a_password_is_changed_when_the_answer_comes(cloud: Cloud, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server_id = cloud.boot("web")
    change(cloud, server_id)
    assert times_changed(cloud, server_id) == 1
    actions = cloud.client.of(InstanceActions).page(cloud.ctx, server_id)
    assert (actions[0]["action"], actions[0]["message"]) == ("changePassword", None)
    nowhere_written(cloud, caplog)
    check_invariants(cloud)


@pytest.mark.parametrize("case", step_cases(FLOWS["change_password"]), ids=" ".join)
def test_changing_a_password_survives(
    two_conductors: Cloud, case: tuple[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    cloud, (step, mode) = two_conductors, case
    server_id = cloud.boot("web")
    with broken_step(cloud.conductors[0], "change_password", step, mode) as saboteur:
        answer = change(cloud, server_id, tolerant=True)
        cloud.recover()
        assert saboteur.acted
    assert (answer is None) == (mode == "runs twice")
    assert cloud.show(server_id)["vm_state"] == "active"
    nowhere_written(cloud, caplog)
    check_invariants(cloud)
    change(cloud, server_id)  # whatever happened, it can be done now


def test_a_conductor_that_dies_takes_the_password_with_it(two_conductors: Cloud) -> None:
    cloud = two_conductors
    server_id = cloud.boot("web")
    cloud.databases[0].arm(1, after=True)  # accepted, and taken in hand
    change(cloud, server_id, tolerant=True)
    assert cloud.show(server_id)["task_state"] == "updating_password"
    cloud.recover()
    assert times_changed(cloud, server_id) == 0
    action = cloud.client.of(InstanceActions).page(cloud.ctx, server_id)[0]
    shown = cloud.client.of(InstanceActions).show(cloud.ctx, server_id, action["request_id"])
    assert shown["message"] == "Error"
    assert any("the daemon that knew it stopped" in (e["details"] or "") for e in shown["events"])
    check_invariants(cloud)


def test_a_guest_that_refuses_is_a_conflict_with_the_reason(cloud: Cloud) -> None:
    server_id = cloud.boot("web")
    cloud.driver("alpha").fail("set_password", "the agent said no", times=1)
    with pytest.raises(PasswordNotSet, match="the agent said no") as caught:
        change(cloud, server_id)
    assert caught.value.status == 409
    assert cloud.show(server_id)["task_state"] is None
    change(cloud, server_id)


@pytest.mark.parametrize("how", ["lost", "answer lost"])
def test_a_host_that_does_not_answer_is_not_asked_again(cloud: Cloud, how: str) -> None:
    server_id = cloud.boot("web")
    hook = {"lost": cloud.bus.lose, "answer lost": cloud.bus.lose_answer}[how]
    with hook(lambda e: e.name == "guest_questions.set_password") as hits, pytest.raises(PasswordNotSet):
        change(cloud, server_id)
    assert len(hits.hits) == 1
    assert cloud.show(server_id)["task_state"] is None
    check_invariants(cloud)


def test_of_a_stop_and_a_new_password_at_once_one_is_refused(cloud: Cloud) -> None:
    server_id = cloud.boot("web")
    with cloud.bus.lose(lambda e: e.name == "guests.power", 1):
        cloud.act(server_id, "stop")
        with pytest.raises(InvalidServerState, match=r"Cannot 'changePassword' .* task_state powering-off"):
            change(cloud, server_id)
    cloud.recover()
    with pytest.raises(InvalidServerState, match="vm_state stopped"):
        change(cloud, server_id)
    check_invariants(cloud)


def test_a_stop_waits_its_turn_while_a_password_is_changed(cloud: Cloud) -> None:
    server_id = cloud.boot("web")
    refused: list[str] = []

    def meanwhile(envelope: object) -> bool:
        if getattr(envelope, "name", "") == "guest_questions.set_password":
            cloud.act(server_id, "stop", tolerant=True)
            refused.append(str(cloud.refused))
        return False

    with cloud.bus.lose(meanwhile):
        change(cloud, server_id)
    assert "task_state updating_password" in refused[0]
    assert times_changed(cloud, server_id) == 1


def test_a_server_deleted_meanwhile_ends_the_change(cloud: Cloud) -> None:
    server_id = cloud.boot("web")

    def meanwhile(envelope: object) -> bool:
        if getattr(envelope, "name", "") == "guest_questions.set_password":
            cloud.delete(server_id)
        return False

    with cloud.bus.lose(meanwhile):
        answer = change(cloud, server_id, tolerant=True)
    assert answer is not None and answer.status == 409
    cloud.recover()
    assert cloud.show(server_id, deleted=True)["vm_state"] == "deleted"
    check_invariants(cloud)


def test_the_image_says_whose_password_it_is(cloud: Cloud) -> None:
    server_id = cloud.boot("web")
    windows = {"os_type": "windows"}
    for properties, user in (({}, "root"), (windows, "Administrator"), ({"os_admin_user": "ada"}, "ada")):
        with cloud.db.begin() as session:
            servers.change(session, server_id, image_properties=properties)
        with cloud.bus.recording() as sent:
            change(cloud, server_id)
        asked = next(e for e in sent if e.name == "guest_questions.set_password")
        assert f'"{user}"' in asked.payload


def test_a_locked_server_keeps_its_password(cloud: Cloud) -> None:
    server_id = cloud.boot("web")
    cloud.client.of(Servers).lock(cloud.ctx, server_id)
    with pytest.raises(ServerLocked):
        change(cloud, server_id)
    cloud.client.of(Passwords).change(cloud.admin, server_id, SECRET)
    assert times_changed(cloud, server_id) == 1
