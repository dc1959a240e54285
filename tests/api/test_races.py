"""Requests at the same moment: exactly as many succeed as there is room for."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.api.world import World, flavor, keypair
from tests.flows.harness import check_invariants


def _at_once(count: int, request: Callable[[int], Any]) -> list[int]:
    with ThreadPoolExecutor(count) as pool:
        return sorted(reply.status_code for reply in pool.map(request, range(count)))


def test_of_two_actions_at_once_one_is_taken(world: World) -> None:
    member, server = world.member, world.names["server"]
    for action, back in (("os-stop", "os-start"), ("pause", "unpause"), ("suspend", "resume")):
        answers = _at_once(4, lambda _, a=action: member.act(server, {a: None}))  # type: ignore[misc]
        assert answers == [202, 409, 409, 409], action
        assert member.act(server, {back: None}).status_code == 202
        assert member.show(server)["status"] == "ACTIVE"
    check_invariants(world.cloud)


def test_of_many_creates_at_once_the_quota_lets_through_what_it_allows(world: World) -> None:
    poor, image = world.poor, world.names["poors_image"]
    assert _at_once(6, lambda n: poor.create(f"r{n}", imageRef=image)) == [202, 202, 403, 403, 403, 403]
    check_invariants(world.cloud)
    for server in poor.get("/servers")["servers"]:
        assert _at_once(3, lambda _, s=server: poor.delete(f"/servers/{s['id']}"))[0] == 204  # type: ignore[misc]
    assert poor.get("/servers")["servers"] == []
    check_invariants(world.cloud)


def test_a_name_is_given_once(world: World) -> None:
    wanted = keypair(name="wanted")
    assert _at_once(5, lambda _: world.member.post("/os-keypairs", wanted)) == [201, 409, 409, 409, 409]
    body = flavor(name="wanted", id="wanted")
    assert _at_once(5, lambda _: world.admin.post("/flavors", body)) == [200, 409, 409, 409, 409]
