"""Hosts as resource providers: what they have, what servers take of it, and what operators may set."""

from __future__ import annotations

from typing import Any

from novalite.rpc.contracts.flavors import Flavors
from tests.api.placement.conftest import Placement
from tests.cloud import Cloud


def test_a_host_is_a_provider_and_its_servers_are_consumers(cloud: Cloud, admin: Placement) -> None:
    before = admin.host()
    path = f"/resource_providers/{before['uuid']}"
    assert before["root_provider_uuid"] == before["uuid"] and before["parent_provider_uuid"] is None
    server = cloud.boot("web")
    assert admin.host()["generation"] > before["generation"]
    inventories = admin.ok("GET", f"{path}/inventories")["inventories"]
    assert set(inventories) == {"VCPU", "MEMORY_MB", "DISK_GB"}
    held = {"VCPU": 1, "MEMORY_MB": 64, "DISK_GB": 1}
    assert admin.ok("GET", f"{path}/usages")["usages"] == held
    assert admin.ok("GET", f"{path}/allocations")["allocations"][server]["resources"] == held
    found = admin.ok("GET", f"/allocations/{server}")
    assert found["allocations"][before["uuid"]]["resources"] == held
    assert found["consumer_type"] == "INSTANCE" and found["project_id"] == cloud.ctx.project_id
    usages = admin.ok("GET", f"/usages?project_id={cloud.ctx.project_id}")["usages"]
    assert usages == {"INSTANCE": {"consumer_count": 1, **held}}
    cloud.delete(server)
    assert admin.ok("GET", f"/allocations/{server}") == {"allocations": {}}
    assert admin.ok("GET", f"{path}/usages")["usages"] == dict.fromkeys(held, 0)


def _set(admin: Placement, uuid: str, **classes: dict[str, Any]) -> Any:
    """Change inventories of a provider; answers all."""
    path = f"/resource_providers/{uuid}/inventories"
    now = admin.ok("GET", path)
    wanted = {name: {**one, **classes.get(name, {})} for name, one in now["inventories"].items()}
    body = {"resource_provider_generation": now["resource_provider_generation"], "inventories": wanted}
    return admin.ok("PUT", path, body)["inventories"]


def test_what_operators_set_of_a_host_wins_over_its_reports_until_taken_back(cloud: Cloud, admin: Placement) -> None:
    uuid = admin.host()["uuid"]
    path = f"/resource_providers/{uuid}"
    first = admin.ok("GET", f"{path}/inventories")["inventories"]["VCPU"]
    changed = _set(admin, uuid, VCPU={"allocation_ratio": 1.0, "reserved": first["total"]})
    assert changed["VCPU"]["reserved"] == first["total"]
    host = cloud.hosts["alpha"]
    host.stop()
    host.start()  # reports again
    assert admin.ok("GET", f"{path}/inventories/VCPU")["reserved"] == first["total"]
    server = cloud.create("no-room")
    assert cloud.show(server)["vm_state"] == "error", "nothing is left that may be given"
    assert admin("DELETE", f"{path}/inventories/VCPU").status_code == 204
    told = admin.ok("GET", f"{path}/inventories/VCPU")
    assert {name: told[name] for name in first} == first
    cloud.boot("room")


def test_a_host_says_itself_how_much_it_has(admin: Placement) -> None:
    uuid = admin.host()["uuid"]
    path = f"/resource_providers/{uuid}/inventories"
    now = admin.ok("GET", path)
    total = now["inventories"]["VCPU"]["total"]
    for wrong in ({"total": total + 1}, {"total": total, "max_unit": 1}, {"total": total, "step_size": 2},
                  {"total": total, "allocation_ratio": 0.0}):  # fmt: skip
        body = {"resource_provider_generation": now["resource_provider_generation"], "inventories": {"VCPU": wrong}}
        assert "host" in admin.refused(400, "PUT", path, body).lower(), wrong
    assert admin.ok("GET", path) == now


def test_traits_that_operators_give_decide_where_servers_go(cloud: Cloud, admin: Placement) -> None:
    cloud.make_flavor("gold", vcpus=1, ram_mb=64, disk_gb=1)
    cloud.client.of(Flavors).set_extra_specs(cloud.admin, "gold", {"trait:CUSTOM_GOLD": "required"})
    assert cloud.show(cloud.create("nowhere", flavor_id="gold"))["vm_state"] == "error"
    host = admin.host()
    admin.ok("PUT", "/traits/CUSTOM_GOLD")
    body = {"traits": ["CUSTOM_GOLD"], "resource_provider_generation": host["generation"]}
    admin.ok("PUT", f"/resource_providers/{host['uuid']}/traits", body)
    cloud.boot("there", flavor_id="gold")
