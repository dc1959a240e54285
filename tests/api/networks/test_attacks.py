"""What a project might try with the networks, ports, groups and routers of another, and with too much of its own."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.networks.neutron import Json, Neutron
from tests.api.networks.test_services import joined

HERS = ("networks", "subnets", "ports", "routers", "floatingips", "security-groups", "security-group-rules")


def everything(admin: Neutron, whose: str) -> Json:
    """All that a project has, as the administrator sees it."""
    found = {path: admin.get(f"/{path}?project_id={whose}") for path in HERS}
    return {path: sorted(one, key=lambda row: row["id"]) for path, one in found.items()}


def test_nothing_of_another_project_is_seen_used_or_changed(ada: Neutron, admin: Neutron, bob: Neutron) -> None:
    router, network, subnet = joined(ada, admin)
    outside = router["external_gateway_info"]["network_id"]
    port = ada.make("port", network_id=network["id"])
    floating = ada.make("floatingip", floating_network_id=outside, port_id=port["id"])
    (leg,) = ada.get("/ports?device_owner=network:router_interface")
    group = ada.get("/security-groups")[0]
    own, _ = bob.lan("10.1.0.0/24")
    his = bob.make("router", name="his", external_gateway_info={"network_id": outside})
    mine = bob.make("port", network_id=own["id"])
    before = everything(admin, ada.project)
    at, join = f"/routers/{router['id']}", f"/routers/{his['id']}/add_router_interface"
    asked: list[tuple[str, str, Any]] = [
        ("PUT", join, {"subnet_id": subnet["id"]}),
        ("PUT", join, {"port_id": port["id"]}),
        ("PUT", join, {"port_id": leg["id"]}),
        ("PUT", f"{at}/add_router_interface", {"port_id": mine["id"]}),
        ("PUT", f"{at}/remove_router_interface", {"subnet_id": subnet["id"]}),
        ("PUT", at, {"router": {"routes": [{"destination": "10.1.0.0/24", "nexthop": "10.0.0.9"}]}}),
        ("PUT", at, {"router": {"external_gateway_info": None}}),
        ("DELETE", at, None),
        ("POST", "/ports", {"port": {"network_id": network["id"]}}),
        ("PUT", f"/ports/{port['id']}", {"port": {"port_security_enabled": False}}),
        ("PUT", f"/ports/{mine['id']}", {"port": {"security_groups": [group["id"]]}}),
        ("DELETE", f"/ports/{leg['id']}", None),
        ("PUT", f"/floatingips/{floating['id']}", {"floatingip": {"port_id": mine["id"]}}),
        ("POST", "/floatingips", {"floatingip": {"floating_network_id": outside, "port_id": port["id"]}}),
        ("PUT", f"/networks/{network['id']}", {"network": {"shared": True}}),
        ("POST", "/subnets", {"subnet": {"network_id": network["id"], "cidr": "10.3.0.0/24", "ip_version": 4}}),
        ("DELETE", f"/security-groups/{group['id']}", None),
    ]
    answers = {(method, path, str(body)): bob.refused(method, path, body)[0] for method, path, body in asked}
    assert {one for one in answers.items() if one[1] not in (403, 404)} == set()
    assert everything(admin, ada.project) == before
    unjoined = bob.get(f"/routers/{his['id']}")
    assert bob.get(f"/ports?device_id={unjoined['id']}") == []


def test_who_shares_a_network_does_not_share_its_gateway(ada: Neutron, admin: Neutron, bob: Neutron) -> None:
    """A router on it has an ordinary address; the gateway's is its owner's to give."""
    network, subnet = admin.lan("10.2.0.0/24", shared=True)
    his = bob.make("router", name="his")
    at = f"/routers/{his['id']}/add_router_interface"
    assert bob.refused("PUT", at, {"subnet_id": subnet["id"]})[0] == 403
    assert bob.refuses("port", network_id=network["id"], fixed_ips=[{"ip_address": "10.2.0.1"}])[0] == 403
    port = bob.make("port", network_id=network["id"])
    assert bob("PUT", at, {"port_id": port["id"]}).status_code == 200
    assert port["fixed_ips"][0]["ip_address"] != "10.2.0.1"


@pytest.mark.parametrize("version", [4, 6])
def test_a_router_refuses_subnets_that_overlap_whichever_way(ada: Neutron, version: int) -> None:
    ranges = {4: ("10.0.0.0/24", "10.0.0.128/25", "10.0.0.0/16", "10.0.1.0/24"),
              6: ("fd00::/64", "fd00:0:0:0:8000::/65", "fd00::/48", "fd00:0:0:1::/64")}[version]  # fmt: skip
    at = f"/routers/{ada.make('router', name='r')['id']}/add_router_interface"
    answers = [ada("PUT", at, {"subnet_id": ada.lan(cidr)[1]["id"]}).status_code for cidr in ranges]
    assert answers == [200, 400, 400, 200]


def test_a_flood_of_rules_is_refused_whole(ada: Neutron, admin: Neutron) -> None:
    group = ada.make("security_group", name="flood")

    def rules(count: int) -> Json:
        one = {"security_group_id": group["id"], "direction": "ingress", "protocol": "tcp"}
        return {"security_group_rules": [{**one, "port_range_min": port, "port_range_max": port}
                                         for port in range(1, count + 1)]}  # fmt: skip

    before = len(ada.get("/security-group-rules"))
    assert ada.refused("POST", "/security-group-rules", rules(10_000))[0] == 413
    assert ada.refused("POST", "/security-group-rules", rules(101))[0] == 400, "more than one request may make"
    assert ada.refused("POST", "/security-group-rules", rules(100)) == (409, "OverQuota")
    assert len(ada.get("/security-group-rules")) == before
    assert ada("POST", "/security-group-rules", rules(100 - before)).status_code == 201
    assert len(ada.get("/security-group-rules")) == 100
