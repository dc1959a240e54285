"""Networks, subnets and ports: fields, filters, pages, who sees what, what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.companions import Companions
from tests.api.networks.neutron import ABSENT, Neutron


def test_a_client_finds_the_service_and_what_it_can(cloud: Companions, ada: Neutron) -> None:
    found = cloud.request("GET", "/network/", None).get_json()["versions"]
    assert [(one["id"], one["status"]) for one in found] == [("v2.0", "CURRENT")]
    assert found[0]["links"][0]["href"].endswith("/network/v2.0/")
    aliases = {one["alias"] for one in ada.get("/extensions")}
    assert {"router", "security-group", "external-net", "binding", "quotas", "provider"} <= aliases
    assert ada.get("/extensions/router")["alias"] == "router"
    assert ada.refused("GET", "/extensions/trunk") == (404, "ExtensionNotFound")
    assert {one["collection"] for one in ada.get("/")} >= {"networks", "subnets", "ports"}
    assert cloud.v20("GET", "/networks", None).status_code == 401
    assert (ada.get("/agents"), ada.get("/service-providers")) == ([], [])
    assert {one["resource"] for one in ada.get("/availability_zones")} == {"network", "router"}


def test_a_new_network_shows_every_field(ada: Neutron, admin: Neutron) -> None:
    made = ada.make("network", name="lan")
    assert made == {
        "id": made["id"], "name": "lan", "description": "", "project_id": ada.project, "tenant_id": ada.project,
        "admin_state_up": True, "status": "ACTIVE", "shared": False, "router:external": False,
        "is_default": False, "mtu": 1450, "port_security_enabled": True, "subnets": [], "tags": [],
        "ipv4_address_scope": None, "ipv6_address_scope": None, "availability_zones": ["nova"],
        "availability_zone_hints": [], "created_at": made["created_at"], "updated_at": made["updated_at"],
        "revision_number": 0,
    }  # fmt: skip
    carried = {
        name: value for name, value in admin.get(f"/networks/{made['id']}").items() if name not in made
    }
    assert set(carried) == {f"provider:{n}" for n in ("network_type", "physical_network", "segmentation_id")}
    assert carried["provider:network_type"] == "vxlan"
    changed = ada.put("network", made["id"], name="wan", admin_state_up=False)
    assert (changed["name"], changed["admin_state_up"], changed["revision_number"]) == ("wan", False, 1)


def test_a_new_subnet_has_a_gateway_and_a_pool_of_the_rest(ada: Neutron) -> None:
    network, subnet = ada.lan()
    assert (subnet["gateway_ip"], subnet["enable_dhcp"]) == ("10.0.0.1", True)
    assert subnet["allocation_pools"] == [{"start": "10.0.0.2", "end": "10.0.0.254"}]
    assert ada.get(f"/networks/{network['id']}")["subnets"] == [subnet["id"]]
    given: dict[str, Any] = {"gateway_ip": None, "dns_nameservers": ["10.1.0.5"], "enable_dhcp": False}
    given["host_routes"] = [{"destination": "10.9.0.0/16", "nexthop": "10.1.0.9"}]
    other = ada.make("subnet", network_id=network["id"], cidr="10.1.0.0/30", ip_version=4, **given)
    assert {name: other[name] for name in given} == given
    assert other["allocation_pools"] == [{"start": "10.1.0.1", "end": "10.1.0.2"}]
    assert ada.put("subnet", other["id"], dns_nameservers=[])["dns_nameservers"] == []


@pytest.mark.parametrize(
    ("values", "answer"),
    [
        ({"cidr": "10.0.0.128/25"}, (400, "InvalidInput")),
        ({"cidr": "10.0.0.1/24"}, (400, "BadRequest")),
        ({"cidr": "10.1.0.0/24", "ip_version": 6}, (400, "InvalidInput")),
        ({"cidr": "10.1.0.0/24", "gateway_ip": "10.2.0.1"}, (400, "InvalidInput")),
        ({"cidr": "10.1.0.0/24", "allocation_pools": [{"start": "10.1.0.9", "end": "10.1.0.3"}]},
         (400, "InvalidAllocationPool")),
        ({"cidr": "10.1.0.0/24", "allocation_pools": [{"start": "10.1.0.9", "end": "10.1.1.3"}]},
         (400, "OutOfBoundsAllocationPool")),
        ({"cidr": "10.1.0.0/24", "allocation_pools": [{"start": "10.1.0.1", "end": "10.1.0.3"}]},
         (409, "GatewayConflictWithAllocationPools")),
        ({"cidr": "10.1.0.0/24", "ipv6_ra_mode": "slaac"}, (400, "InvalidInput")),
        ({"cidr": "fd00::/80", "ip_version": 6, "ipv6_address_mode": "slaac"}, (400, "InvalidInput")),
        ({"cidr": "10.1.0.0/24", "subnetpool_id": ABSENT}, (404, "SubnetPoolNotFound")),
        ({"cidr": "10.1.0.0/24", "colour": "red"}, (400, "BadRequest")),
        ({"cidr": "10.1.0.0/24", "network_id": ABSENT}, (404, "NetworkNotFound")),
        ({}, (400, "InvalidInput")),
    ],
)  # fmt: skip
def test_subnets_that_make_no_sense(ada: Neutron, values: dict[str, Any], answer: tuple[int, str]) -> None:
    network, _ = ada.lan()
    assert ada.refuses("subnet", **{"network_id": network["id"], "ip_version": 4, **values}) == answer
    assert len(ada.get("/subnets")) == 1


def test_a_port_has_an_address_a_mac_and_the_default_group(ada: Neutron, admin: Neutron) -> None:
    network, subnet = ada.lan()
    port = ada.make("port", network_id=network["id"], name="p", device_id="x")
    (group,) = ada.get("/security-groups")
    assert port["fixed_ips"] == [{"subnet_id": subnet["id"], "ip_address": "10.0.0.2"}]
    assert (port["security_groups"], port["status"]) == ([group["id"]], "DOWN")
    assert port["mac_address"].startswith("fa:16:3e:")
    assert not any(name.startswith("binding:host") for name in port)
    bound = admin.put("port", port["id"], **{"binding:host_id": "alpha", "binding:profile": {"a": 1}})
    assert (bound["binding:host_id"], bound["binding:vif_type"]) == ("alpha", "bridge")
    assert admin.put("port", port["id"], **{"binding:host_id": None})["binding:vif_type"] == "unbound"
    pair = {"ip_address": "10.0.0.99"}
    changed = ada.put("port", port["id"], allowed_address_pairs=[pair], security_groups=[], name="q")
    assert changed["allowed_address_pairs"] == [pair | {"mac_address": port["mac_address"]}]
    assert changed["security_groups"] == []
    assert ada.put("port", port["id"], allowed_address_pairs=None)["allowed_address_pairs"] == []


def test_ports_that_cannot_be(ada: Neutron, bob: Neutron, admin: Neutron) -> None:
    network, subnet = ada.lan("10.0.0.0/29")
    here = {"network_id": network["id"]}
    foreign = bob.get("/security-groups")[0]["id"]
    ada.make("port", **here, fixed_ips=[{"ip_address": "10.0.0.6"}], mac_address="fa:16:3e:00:00:01")
    asked: list[tuple[dict[str, Any], tuple[int, str]]] = [
        ({"fixed_ips": [{"ip_address": "10.0.0.6"}]}, (409, "IpAddressInUse")),
        ({"fixed_ips": [{"ip_address": "10.9.0.6"}]}, (400, "InvalidIpForNetwork")),
        ({"fixed_ips": [{"subnet_id": ABSENT}]}, (404, "SubnetNotFound")),
        ({"mac_address": "fa:16:3e:00:00:01"}, (409, "MacAddressInUse")),
        ({"mac_address": "01:00:5e:00:00:01"}, (400, "BadRequest")),
        ({"security_groups": [foreign]}, (404, "SecurityGroupNotFound")),
        ({"network_id": ABSENT}, (404, "NetworkNotFound")),
        ({"binding:host_id": "alpha"}, (403, "PolicyNotAuthorized")),
        ({"binding:vnic_type": "direct"}, (400, "BadRequest")),
        ({"project_id": bob.project}, (403, "PolicyNotAuthorized")),
    ]
    for values, answer in asked:
        assert ada.refuses("port", **{**here, **values}) == answer, values
    for _ in range(4):
        ada.make("port", **here)
    assert ada.refuses("port", **here) == (409, "IpAddressGenerationFailure")
    assert ada.refused("DELETE", f"/subnets/{subnet['id']}") == (409, "SubnetInUse")
    assert ada.refused("DELETE", f"/networks/{network['id']}") == (409, "NetworkInUse")


def test_who_sees_and_uses_networks(ada: Neutron, bob: Neutron, admin: Neutron) -> None:
    own, _ = ada.lan()
    shared, there = admin.lan("10.8.0.0/24", shared=True)
    outside = admin.outside()
    assert {n["id"] for n in ada.get("/networks")} == {own["id"], shared["id"], outside["id"]}
    assert {n["id"] for n in bob.get("/networks")} == {shared["id"], outside["id"]}
    assert [s["id"] for s in bob.get("/subnets")] == [there["id"]]
    for method, path, body in (
        ("GET", "", None), ("DELETE", "", None), ("PUT", "", {"network": {"name": "mine"}}),
        ("PUT", "/tags/x", None),
    ):  # fmt: skip
        asked = [bob(method, f"/networks/{one}{path}", body) for one in (own["id"], ABSENT)]
        assert [reply.status_code for reply in asked] == [404, 404]
        assert asked[0].text.replace(own["id"], "") == asked[1].text.replace(ABSENT, "")
        if method != "GET":
            assert bob.refused(method, f"/networks/{shared['id']}{path}", body) == (
                403,
                "PolicyNotAuthorized",
            )
    assert bob.make("port", network_id=shared["id"])["fixed_ips"]
    assert bob.refuses("port", network_id=outside["id"]) == (403, "PolicyNotAuthorized")
    pretending = [
        {"mac_address": "fa:16:3e:00:00:01"}, {"fixed_ips": [{"ip_address": "10.8.0.77"}]},
        {"port_security_enabled": False}, {"device_owner": "network:router_interface"},
        {"allowed_address_pairs": [{"ip_address": "10.8.0.1"}]},
    ]  # fmt: skip
    for values in pretending:
        assert bob.refuses("port", network_id=shared["id"], **values) == (403, "PolicyNotAuthorized"), values
    extra = {"network_id": shared["id"], "cidr": "10.7.0.0/24", "ip_version": 4}
    assert bob.refuses("subnet", **extra) == (403, "PolicyNotAuthorized")
    for values in ({"shared": True}, {"router:external": True}, {"provider:network_type": "vxlan"}):
        assert bob.refuses("network", name="n", **values) == (403, "PolicyNotAuthorized")
    assert bob.make("network", name="plain", shared=False, is_default=False)["shared"] is False  # as it is anyway
    assert admin.refused("PUT", f"/networks/{shared['id']}", {"network": {"shared": False}}) == (
        409, "InvalidSharedSetting",
    )  # fmt: skip


def test_segments_are_given_once(admin: Neutron) -> None:
    named = {"provider:network_type": "vxlan", "provider:segmentation_id": 4711}
    made = admin.make("network", **named)
    assert admin.refuses("network", **named) == (409, "VlanIdInUse")
    admin.delete("network", made["id"])
    assert admin.make("network", **named)["provider:segmentation_id"] == 4711
    flat = {"provider:network_type": "flat", "provider:physical_network": "outside"}
    found = admin.make("network", **flat)
    assert (found["mtu"], found["provider:segmentation_id"]) == (1500, None)
    assert admin.refuses("network", **flat) == (409, "VlanIdInUse")
    vlan = {"provider:network_type": "vlan", "provider:physical_network": "unknown"}
    assert admin.refuses("network", **vlan) == (400, "InvalidInput")


def test_filters_fields_order_and_pages(ada: Neutron) -> None:
    for name in ("c", "a", "b", "a"):
        ada.make("network", name=name)
    assert ada.names("/networks") == ["c", "a", "b", "a"]
    assert ada.names("/networks?name=a&name=b") == ["a", "b", "a"]
    assert ada.names("/networks?admin_state_up=false") == []
    assert ada.names("/networks?sort_key=name&sort_dir=desc") == ["c", "b", "a", "a"]
    assert ada.get("/networks?name=c&fields=name&fields=tenant_id") == [
        {"name": "c", "tenant_id": ada.project}
    ]
    reply = ada("GET", "/networks?limit=3&sort_key=name&sort_dir=asc").get_json()
    assert [one["name"] for one in reply["networks"]] == ["a", "a", "b"]
    (link,) = reply["networks_links"]
    rest = ada.cloud.request("GET", link["href"].partition("localhost")[2], ada.token).get_json()
    assert (link["rel"], [one["name"] for one in rest["networks"]]) == ("next", ["c"])
    back = {one["rel"]: one["href"].partition("localhost")[2] for one in rest["networks_links"]}["previous"]
    before = ada.cloud.request("GET", back, ada.token).get_json()["networks"]
    assert [one["name"] for one in before] == ["a", "a", "b"]
    bad = ("colour=red", "limit=x", "sort_key=name&sort_dir=up", "sort_key=subnets", "admin_state_up=perhaps")
    for query in bad:
        assert ada.refused("GET", f"/networks?{query}") == (400, "BadRequest"), query
    assert ada.refused("GET", f"/networks?marker={ABSENT}") == (404, "NetworkNotFound")


def test_ports_by_what_they_have(ada: Neutron) -> None:
    network, subnet = ada.lan()
    one = ada.make("port", network_id=network["id"], fixed_ips=[{"ip_address": "10.0.0.7"}], name="one")
    ada.make(
        "port",
        network_id=network["id"],
        fixed_ips=[{"ip_address": "10.0.0.70"}],
        security_groups=[],
        name="two",
    )
    asked = {
        "fixed_ips=ip_address=10.0.0.7": ["one"], "fixed_ips=ip_address_substr=0.0.7": ["one", "two"],
        f"fixed_ips=subnet_id={subnet['id']}": ["one", "two"], "fixed_ips=ip_address%3D10.0.0.8": [],
        f"security_groups={one['security_groups'][0]}": ["one"], f"mac_address={one['mac_address']}": ["one"],
        "device_id=": ["one", "two"], f"tenant_id={ada.project}": ["one", "two"],
    }  # fmt: skip
    for query, names in asked.items():
        assert ada.names(f"/ports?{query}") == names, query


def test_many_at_once_are_all_or_none(ada: Neutron) -> None:
    made = ada("POST", "/networks", {"networks": [{"name": "a"}, {"name": "b"}]})
    assert (made.status_code, [n["name"] for n in made.get_json()["networks"]]) == (201, ["a", "b"])
    first = made.get_json()["networks"][0]["id"]
    subnets = [
        {"network_id": first, "cidr": cidr, "ip_version": 4} for cidr in ("10.0.0.0/24", "10.0.0.0/25")
    ]
    assert ada.refused("POST", "/subnets", {"subnets": subnets}) == (400, "InvalidInput")
    assert ada.get("/subnets") == []
    assert ada.refused("POST", "/networks", {"networks": []}) == (400, "BadRequest")


def test_tags(ada: Neutron) -> None:
    one, two = ada.make("network", name="one"), ada.make("network", name="two")
    at = f"/networks/{one['id']}/tags"
    assert ada("PUT", at, {"tags": ["b", "a"]}).get_json() == {"tags": ["a", "b"]}
    assert ada("PUT", f"{at}/c").status_code == 201
    assert (ada("GET", f"{at}/c").status_code, ada.refused("GET", f"{at}/d")) == (204, (404, "TagNotFound"))
    assert ada.get(f"/networks/{one['id']}")["tags"] == ["a", "b", "c"]
    ada("PUT", f"/networks/{two['id']}/tags/a")
    asked = {
        "tags=a,b": ["one"], "tags=a": ["one", "two"], "tags-any=b,z": ["one"], "not-tags=a,b": ["two"],
        "not-tags-any=c": ["two"],
    }  # fmt: skip
    for query, names in asked.items():
        assert ada.names(f"/networks?{query}") == names, query
    assert ada("DELETE", f"{at}/c").status_code == 204
    assert ada.refused("DELETE", f"{at}/c") == (404, "TagNotFound")
    assert (ada("DELETE", at).status_code, ada.get(at)) == (204, [])


def test_limits_hold_and_are_an_administrators(ada: Neutron, bob: Neutron, admin: Neutron) -> None:
    at = f"/quotas/{ada.project}"
    assert ada.get(at)["network"] == 100
    assert ada.refused("PUT", at, {"quota": {"network": 1}}) == (403, "PolicyNotAuthorized")
    assert bob.refused("GET", at) == (403, "PolicyNotAuthorized")
    assert admin("PUT", at, {"quota": {"network": 1, "rbac_policy": 5}}).get_json()["quota"]["network"] == 1
    ada.make("network", name="n")
    assert ada.refuses("network", name="m") == (409, "OverQuota")
    below = {"quota": {"network": 0, "check_limit": True}}
    assert admin.refused("PUT", at, below) == (400, "InvalidQuotaValue")
    assert ada.get(f"{at}/details.json")["network"] == {"limit": 1, "used": 1, "reserved": 0}
    assert [one["network"] for one in admin.get("/quotas")] == [1]
    assert ada.get(f"{at}/default")["network"] == 100
    assert admin.refused("PUT", at, {"quota": {"colour": 1}}) == (400, "BadRequest")
    assert admin("DELETE", at).status_code == 204
    assert admin.refused("DELETE", at) == (404, "TenantQuotaNotFound")
    ada.make("network", name="m")


def test_subnets_are_cut_from_pools(ada: Neutron, bob: Neutron, admin: Neutron) -> None:
    network = ada.make("network", name="n")["id"]
    pool = ada.make("subnetpool", name="p", prefixes=["10.4.0.0/24", "10.4.1.0/24"], default_prefixlen=24)
    assert (pool["prefixes"], pool["ip_version"], pool["min_prefixlen"]) == (["10.4.0.0/23"], 4, 8)
    of_it = {"network_id": network, "ip_version": 4, "subnetpool_id": pool["id"]}
    cut = [ada.make("subnet", **of_it)["cidr"], ada.make("subnet", **of_it, prefixlen=26)["cidr"]]
    chosen = ada.make("subnet", **of_it, cidr="10.4.1.128/25")
    cut += [chosen["cidr"], ada.make("subnet", **of_it, prefixlen=26)["cidr"]]
    assert cut == ["10.4.0.0/24", "10.4.1.0/26", "10.4.1.128/25", "10.4.1.64/26"]
    for values in ({}, {"cidr": "10.4.1.0/28"}, {"cidr": "10.5.0.0/24"}, {"prefixlen": 4}, {"ip_version": 6}):
        assert ada.refuses("subnet", **{**of_it, **values}) == (400, "SubnetAllocationError"), values
    assert ada.refuses("subnet", network_id=network, ip_version=4, use_default_subnetpool=True)[0] == 400
    at = f"/subnetpools/{pool['id']}"
    assert ada.refused("DELETE", at) == (409, "SubnetPoolInUse")
    assert bob.refuses("subnet", **{**of_it, "network_id": bob.make("network")["id"]}) == (
        404,
        "SubnetPoolNotFound",
    )
    less = {"subnetpool": {"prefixes": ["10.4.0.0/24"]}}
    assert ada.refused("PUT", at, less) == (400, "IllegalSubnetPoolUpdate")
    more = ada.put("subnetpool", pool["id"], prefixes=["10.4.0.0/22"], default_quota=800)
    assert (more["prefixes"], ada.make("subnet", **of_it)["cidr"]) == (["10.4.0.0/22"], "10.4.2.0/24")
    assert ada.refuses("subnet", **of_it) == (409, "SubnetPoolQuotaExceeded")
    assert ada.refuses("subnetpool", prefixes=["10.0.0.0/8", "fd00::/48"]) == (400, "InvalidInput")
    upside_down = {"prefixes": ["10.0.0.0/8"], "min_prefixlen": 26, "default_prefixlen": 20}
    assert ada.refuses("subnetpool", **upside_down) == (400, "IllegalSubnetPoolPrefixBounds")
    assert ada.refuses("subnetpool", prefixes=["10.0.0.0/8"], shared=True) == (403, "PolicyNotAuthorized")
    shared = admin.make("subnetpool", prefixes=["fd00::/48"], shared=True, is_default=True)
    six = bob.make("subnet", network_id=bob.make("network")["id"], ip_version=6, use_default_subnetpool=True)
    assert (six["cidr"], six["subnetpool_id"]) == ("fd00::/64", shared["id"])
    assert [one["id"] for one in bob.get("/subnetpools")] == [shared["id"]]
    assert bob.refused("DELETE", f"/subnetpools/{shared['id']}") == (403, "PolicyNotAuthorized")
