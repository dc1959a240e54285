"""Security groups, routers and floating addresses, and taking a project apart."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.networks.neutron import ABSENT, Json, Neutron


def test_every_project_has_a_default_group_with_four_rules(ada: Neutron, admin: Neutron) -> None:
    (group,) = ada.get("/security-groups")
    rules = {(r["direction"], r["ethertype"], r["remote_group_id"]) for r in group["security_group_rules"]}
    assert group["name"] == "default"
    assert rules == {
        ("egress", "IPv4", None), ("egress", "IPv6", None),
        ("ingress", "IPv4", group["id"]), ("ingress", "IPv6", group["id"]),
    }  # fmt: skip
    assert ada.refuses("security_group", name="default") == (409, "SecurityGroupDefaultAlreadyExists")
    at = f"/security-groups/{group['id']}"
    assert ada.refused("DELETE", at) == (409, "SecurityGroupCannotRemoveDefault")
    renamed = ada.refused("PUT", at, {"security_group": {"name": "mine"}})
    assert renamed == (409, "SecurityGroupCannotUpdateDefault")
    admin.delete("security_group", group["id"])
    assert ada.get("/security-groups")[0]["id"] != group["id"]


def test_rules_come_and_go(ada: Neutron, bob: Neutron) -> None:
    group = ada.make("security_group", name="web", description="d")
    assert [rule["direction"] for rule in group["security_group_rules"]] == ["egress", "egress"]
    tcp = {"security_group_id": group["id"], "direction": "ingress", "protocol": "tcp"}
    rule = ada.make(
        "security_group_rule", **tcp, port_range_min=22, port_range_max=22, remote_ip_prefix="10.0.0.7"
    )
    assert (rule["remote_ip_prefix"], rule["ethertype"]) == ("10.0.0.7/32", "IPv4")
    again = ada.refuses("security_group_rule", **tcp, port_range_min=22, port_range_max=22,
                        remote_ip_prefix="10.0.0.7")  # fmt: skip
    assert again == (409, "SecurityGroupRuleExists")
    loose = ada.make("security_group_rule", **tcp, remote_ip_prefix="10.2.3.124/24")
    assert loose["remote_ip_prefix"] == "10.2.3.124/24", "as it was written"
    strict = ada.refuses("security_group_rule", **tcp, remote_ip_prefix="10.2.3.0/24")
    assert strict == (409, "SecurityGroupRuleExists"), "which means the same"
    ada.delete("security_group_rule", loose["id"])
    assert rule in ada.get(f"/security-groups/{group['id']}")["security_group_rules"]
    found = ada.get(f"/security-group-rules?security_group_id={group['id']}&protocol=tcp")
    assert [one["id"] for one in found] == [rule["id"]]
    assert bob.refused("DELETE", f"/security-group-rules/{rule['id']}") == (404, "SecurityGroupRuleNotFound")
    assert bob.refuses("security_group_rule", **tcp) == (404, "SecurityGroupNotFound")
    mine = bob.get("/security-groups")[0]["id"]
    stolen = {**tcp, "security_group_id": mine, "remote_group_id": group["id"]}
    assert bob.refuses("security_group_rule", **stolen) == (404, "SecurityGroupNotFound")
    ada.delete("security_group_rule", rule["id"])
    ada.delete("security_group", group["id"])


@pytest.mark.parametrize(
    ("values", "answer"),
    [
        ({"ethertype": "IPv5"}, (400, "BadRequest")),
        ({"protocol": "carrier-pigeon"}, (400, "BadRequest")),
        ({"remote_ip_prefix": "10.0.0.0/64"}, (400, "BadRequest")),
        ({"remote_ip_prefix": "fd00::/64"}, (400, "SecurityGroupRuleParameterConflict")),
        ({"protocol": "tcp", "port_range_min": 5, "port_range_max": 4}, (400, "SecurityGroupInvalidPortRange")),
        ({"protocol": "tcp", "port_range_min": 5, "port_range_max": 65536}, (400, "BadRequest")),
        ({"protocol": "icmp", "port_range_min": 256}, (400, "SecurityGroupInvalidIcmpValue")),
        ({"protocol": "icmp", "port_range_max": 1}, (400, "SecurityGroupMissingIcmpType")),
        ({"port_range_min": 5, "port_range_max": 5}, (400, "InvalidInput")),
        ({"remote_ip_prefix": "10.0.0.0/8", "remote_group_id": "{own}"},
         (400, "SecurityGroupRemoteGroupAndRemoteIpPrefix")),
        ({"remote_group_id": ABSENT}, (404, "SecurityGroupNotFound")),
    ],
)  # fmt: skip
def test_rules_that_make_no_sense(ada: Neutron, values: Json, answer: tuple[int, str]) -> None:
    own = ada.get("/security-groups")[0]["id"]
    body = {name: own if value == "{own}" else value for name, value in values.items()}
    made = ada.refuses("security_group_rule", security_group_id=own, direction="ingress", **body)
    assert made == answer


def test_a_group_in_use_stays(ada: Neutron) -> None:
    network, _ = ada.lan()
    group = ada.make("security_group", name="web")["id"]
    port = ada.make("port", network_id=network["id"], security_groups=[group])["id"]
    assert ada.refused("DELETE", f"/security-groups/{group}") == (409, "SecurityGroupInUse")
    off = {"port": {"port_security_enabled": False}}
    assert ada.refused("PUT", f"/ports/{port}", off) == (409, "PortSecurityPortHasSecurityGroup")
    ada.put("port", port, security_groups=[], port_security_enabled=False)
    with_group = {"port": {"security_groups": [group]}}
    assert ada.refused("PUT", f"/ports/{port}", with_group)[0] == 400
    ada.delete("security_group", group)


def joined(ada: Neutron, admin: Neutron) -> tuple[Json, Json, Json]:
    """A router between a network outside and one inside; also the inner network and its subnet."""
    outside = admin.outside()
    network, subnet = ada.lan()
    router = ada.make("router", name="r", external_gateway_info={"network_id": outside["id"]})
    reply = ada("PUT", f"/routers/{router['id']}/add_router_interface", {"subnet_id": subnet["id"]})
    assert reply.status_code == 200, reply.text
    return router, network, subnet


def test_a_router_joins_networks(ada: Neutron, admin: Neutron, bob: Neutron) -> None:
    router, network, subnet = joined(ada, admin)
    gateway = router["external_gateway_info"]
    assert gateway["enable_snat"] is True
    assert gateway["external_fixed_ips"][0]["ip_address"].startswith("172.24.4.")
    (port,) = ada.get("/ports?device_owner=network:router_interface")
    assert (port["device_id"], port["fixed_ips"][0]["ip_address"]) == (router["id"], "10.0.0.1")
    at = f"/routers/{router['id']}"
    for body, answer in (
        ({"subnet_id": subnet["id"]}, (400, "BadRouterRequest")), ({"subnet_id": ABSENT}, (404, "SubnetNotFound")),
        ({"port_id": ABSENT}, (404, "PortNotFound")), ({}, (400, "BadRouterRequest")),
        ({"port_id": port["id"]}, (400, "BadRouterRequest")),
    ):  # fmt: skip
        assert ada.refused("PUT", f"{at}/add_router_interface", body) == answer, body
    _, twin = ada.lan()
    overlapping = ada.refused("PUT", f"{at}/add_router_interface", {"subnet_id": twin["id"]})
    assert overlapping == (400, "BadRequest")
    assert bob.refused("PUT", f"{at}/remove_router_interface", {"port_id": port["id"]})[0] == 404
    assert ada.refused("DELETE", at) == (409, "RouterInUse")
    assert ada.refused("DELETE", f"/ports/{port['id']}") == (409, "ServicePortInUse")
    assert ada.refused("DELETE", f"/subnets/{subnet['id']}") == (409, "SubnetInUse")
    moved = ada.refused("PUT", f"/subnets/{subnet['id']}", {"subnet": {"gateway_ip": "10.0.0.200"}})
    assert moved[0] == 409
    routes = [{"destination": "10.77.0.0/16", "nexthop": "10.0.0.9"}]
    assert ada.put("router", router["id"], routes=routes)["routes"] == routes
    assert ada.put("router", router["id"], routes=None)["routes"] == []
    far = {"router": {"routes": [{"destination": "10.77.0.0/16", "nexthop": "10.5.0.9"}]}}
    assert ada.refused("PUT", at, far) == (400, "InvalidInput")
    assert ada.put("router", router["id"], external_gateway_info={})["external_gateway_info"] is None
    inner = ada.refuses("router", external_gateway_info={"network_id": network["id"]})
    assert inner == (400, "BadRouterRequest")


def test_a_floating_address_stands_for_a_port(ada: Neutron, admin: Neutron, bob: Neutron) -> None:
    router, network, subnet = joined(ada, admin)
    outside = router["external_gateway_info"]["network_id"]
    port = ada.make("port", network_id=network["id"])
    floating = ada.make("floatingip", floating_network_id=outside)
    assert (floating["status"], floating["port_id"], floating["port_details"]) == ("DOWN", None, None)
    pointed = ada.put("floatingip", floating["id"], port_id=port["id"])
    seen = {name: pointed[name] for name in ("status", "router_id", "fixed_ip_address")}
    assert seen == {
        "status": "DOWN", "router_id": router["id"], "fixed_ip_address": port["fixed_ips"][0]["ip_address"],
    }  # fmt: skip
    assert pointed["port_details"]["mac_address"] == port["mac_address"]
    twice = ada.refuses("floatingip", floating_network_id=outside, port_id=port["id"])
    assert twice == (409, "FloatingIPPortAlreadyAssociated")
    assert len(ada.get("/floatingips")) == 1, "nothing is left of it"
    at = f"/routers/{router['id']}"
    parted = ada.refused("PUT", f"{at}/remove_router_interface", {"subnet_id": subnet["id"]})
    assert parted == (409, "RouterInterfaceInUseByFloatingIP")
    closed = ada.refused("PUT", at, {"router": {"external_gateway_info": None}})
    assert closed == (409, "RouterExternalGatewayInUseByFloatingIp")
    asked: list[tuple[Json, Any]] = [
        ({"floating_network_id": network["id"]}, (400, "BadRequest")),
        ({"floating_network_id": ABSENT}, (404, "NetworkNotFound")),
        ({"floating_network_id": outside, "port_id": ABSENT}, (404, "PortNotFound")),
        ({"floating_network_id": outside, "floating_ip_address": "172.24.4.9"}, (403, "PolicyNotAuthorized")),
    ]
    for values, answer in asked:
        assert ada.refuses("floatingip", **values) == answer, values
    assert bob.refuses("floatingip", floating_network_id=outside, port_id=port["id"]) == (404, "PortNotFound")
    assert admin.refused("DELETE", f"/networks/{outside}") == (409, "NetworkInUse")
    ada.delete("port", port["id"])
    found = ada.get(f"/floatingips/{floating['id']}")
    assert (found["port_id"], found["status"]) == (None, "DOWN")
    ada.put("router", router["id"], external_gateway_info=None)
    admin.delete("network", outside)
    assert ada.get("/floatingips") == [], "those that point nowhere go with their network"


def test_a_network_for_those_who_name_none(ada: Neutron, admin: Neutron) -> None:
    outside = admin.outside()
    admin.put("network", outside["id"], is_default=True)
    at = "/auto-allocated-topology/null"
    assert ada.get(f"{at}?fields=dry-run")["id"] == "dry-run=pass"
    assert ada.get("/routers") == []
    made = ada.get(at)["id"]
    assert ada.get(f"/auto-allocated-topology/{ada.project}")["id"] == made
    assert len(ada.get(f"/subnets?network_id={made}")) == 1
    assert ada.get("/routers")[0]["external_gateway_info"]["network_id"] == outside["id"]
    assert ada("DELETE", at).status_code == 204
    assert (ada.get("/routers"), ada.get("/ports"), ada.get("/subnets")) == ([], [], [])
    assert ada.refused("DELETE", at)[0] == 404


def test_a_project_is_taken_apart_in_the_order_of_test_suites(ada: Neutron, admin: Neutron) -> None:
    router, network, subnet = joined(ada, admin)
    parted = ada("PUT", f"/routers/{router['id']}/remove_router_interface", {"subnet_id": subnet["id"]})
    assert (parted.status_code, parted.get_json()["subnet_ids"]) == (200, [subnet["id"]])
    for kind, one in (("router", router), ("subnet", subnet), ("network", network)):
        admin.delete(kind, one["id"])
    ada.get("/security-groups")
    (group,) = admin.get(f"/security-groups?project_id={ada.project}&name=default")
    admin.delete("security_group", group["id"])
    used = ada.get(f"/quotas/{ada.project}/details.json")
    assert {kind: limit["used"] for kind, limit in used.items() if limit["used"]} == {}
