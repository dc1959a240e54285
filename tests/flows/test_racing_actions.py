"""Two actions on one server at once: exactly one is accepted, whichever they are, and it ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from novalite.conductor.servers import ServersEndpoint
from novalite.context import Context
from novalite.errors import InvalidServerState, NovaliteError
from novalite.objects.servers import Accepted, ServerAction
from novalite.states import ACTIONS, ACTIVE
from tests.cloud import Cloud
from tests.flows.harness import check_invariants
from tests.served import ServedCloud

ELSEWHERE = {
    "change_password": "its caller waits; tests/flows/test_change_password.py",
    "attach_interface": "wants a network; tests/flows/test_server_networks.py",
    "detach_interface": "wants a network",
    "live_migrate": "never accepted",
    "evacuate": "wants a host that is down; below",
}
"""Actions that are not begun here, and why."""
FROM_ACTIVE = [verb for verb, rule in ACTIONS.items() if ACTIVE in rule.allowed_from and verb not in ELSEWHERE]
PAIRS = [
    ("stop", "reboot"), ("resize", "migrate"), ("rebuild", "rescue"), ("shelve", "createImage"), ("pause", "suspend"),
    ("stop", "stop"),
]  # fmt: skip


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedCloud]:
    """A cloud whose conductor is told of no task: what is accepted stays as it is until somebody recovers."""
    with ServedCloud(tmp_path_factory.mktemp("races"), hosts=("alpha", "beta")) as made:
        yield made


def params_of(cloud: Cloud, verb: str) -> dict[str, Any]:
    """What the verb wants to be told."""
    if verb == "rebuild":
        return {"image_id": cloud.rest().image()}
    if verb == "resize":
        return {"flavor_id": "big"}
    if verb in ("createImage", "createBackup"):
        return {"name": verb, "backup_type": "daily", "rotation": 1, "metadata": {}}
    return {}


def a_server(cloud: Cloud) -> str:
    member = cloud.rest()
    cloud.ctx = Context(user_id=member.user_id, project_id=member.project_id, roles=("member", "reader"))
    if not any(flavor["id"] == "big" for flavor in member.get("/flavors")["flavors"]):
        cloud.make_flavor("big", vcpus=2, ram_mb=128, disk_gb=2)
    return cloud.boot("web", image_id=member.image())


@pytest.mark.parametrize("first", FROM_ACTIVE)
def test_while_one_is_under_way_every_other_is_refused(busy: ServedCloud, first: str) -> None:
    """But a stronger one: a hard reboot ends any reboot."""
    server_id = a_server(busy)
    with busy.bus.lose(lambda envelope: envelope.name == "tasks.poke"):
        busy.act(server_id, first, **params_of(busy, first))
        held = busy.show(server_id)
        for verb, rule in ACTIONS.items():
            if held["task_state"] in rule.during:
                continue
            with pytest.raises(InvalidServerState):
                busy.act(server_id, verb, **params_of(busy, verb))
        assert busy.show(server_id) == held, "what was refused left no trace"
    busy.recover()
    assert busy.show(server_id)["task_state"] is None
    check_invariants(busy)
    busy.delete(server_id)


@pytest.mark.parametrize("pair", PAIRS, ids=" and ".join)
def test_of_two_that_arrive_at_once_exactly_one_wins(busy: ServedCloud, pair: tuple[str, str]) -> None:
    endpoint = ServersEndpoint(busy.alive.manager.env)
    for _ in range(3):
        server_id = a_server(busy)
        begin, ends = threading.Barrier(2), []

        def act(verb: str, params: dict[str, Any], server_id: str = server_id, begin: Any = begin) -> Any:
            begin.wait(10)
            try:
                return endpoint.act(busy.ctx, ServerAction(server_id=server_id, verb=verb, params=params))
            except NovaliteError as error:
                return error

        def run(verb: str, params: dict[str, Any], ends: list[Any] = ends, act: Any = act) -> None:
            ends.append(act(verb, params))

        threads = [threading.Thread(target=run, args=(verb, params_of(busy, verb))) for verb in pair]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        won = [end for end in ends if isinstance(end, Accepted)]
        lost = [end for end in ends if isinstance(end, InvalidServerState)]
        assert (len(won), len(lost)) == (1, 1), ends
        busy.recover()
        assert busy.show(server_id)["task_state"] is None
        check_invariants(busy)
        busy.delete(server_id)


def test_evacuation_waits_for_what_is_under_way(tmp_path: Path) -> None:
    with Cloud(tmp_path, hosts=("alpha", "beta")) as cloud:
        member = cloud.rest()
        cloud.ctx = Context(user_id=member.user_id, project_id=member.project_id, roles=("member", "reader"))
        server_id = cloud.boot("web", image_id=member.image())
        cloud.stop_host(lost := cloud.show(server_id)["host"])
        with cloud.bus.lose(lambda envelope: envelope.name == "tasks.poke"):
            cloud.act(server_id, "reboot")
            with pytest.raises(InvalidServerState):
                cloud.act(server_id, "evacuate")
        cloud.clock.ahead += 120  # nobody is there to reboot it, which is found out
        cloud.recover()
        cloud.act(server_id, "evacuate")
        assert (cloud.show(server_id)["vm_state"], cloud.show(server_id)["host"] != lost) == ("active", True)
