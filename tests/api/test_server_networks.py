"""Networks of servers as users ask for them and see them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cloud import Cloud
from tests.networked import a_network, a_port, check_ports, networked, port
from tests.rest import Rest, sentence

ABSENT = "00000000-0000-4000-8000-00000000ffff"
MAC = "OS-EXT-IPS-MAC:mac_addr"
KIND = "OS-EXT-IPS:type"


class Place:
    """A cloud with networks, a member with an image and a network called `private`, and a stranger."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud, self.member, self.stranger = cloud, cloud.rest(), cloud.rest("stranger")
        self.image = self.member.image()
        self.network = self.add_network("private", 1)

    def add_network(self, name: str, number: int, **values: Any) -> str:
        return a_network(self.cloud, name, number, **{"project": self.member.project_id, **values})

    def add_port(self, **values: Any) -> str:
        return a_port(self.cloud, self.network, self.member.project_id, **values)

    def create(self, networks: Any, version: str = "latest", **more: Any) -> Any:
        """The reply to a POST."""
        if networks is not None:
            more["networks"] = networks
        body = {"name": "web", "flavorRef": "tiny", "imageRef": self.image, **more}
        return self.member.post("/servers", {"server": body}, version=version)

    def boot(self, networks: Any, version: str = "latest", **more: Any) -> Any:
        """A server that is ACTIVE, as it is shown."""
        reply = self.create(networks, version, **more)
        assert reply.status_code == 202, reply.text
        shown = self.member.show(reply.get_json()["server"]["id"])
        assert shown["status"] == "ACTIVE", shown.get("fault")
        return shown

    def interfaces(self, server: Any, **more: Any) -> list[Any]:
        found: list[Any] = self.member.get(f"/servers/{server['id']}/os-interface", **more)["interfaceAttachments"]
        return found


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A new one for each test; ports are as they should be afterwards."""
    with networked(tmp_path) as cloud:
        yield Place(cloud)
        check_ports(cloud)


def test_a_server_shows_its_addresses_and_groups(place: Place) -> None:
    server = place.boot([{"uuid": place.network}])
    (address,) = server["addresses"]["private"]
    (interface,) = place.interfaces(server)
    assert address == {"version": 4, "addr": interface["fixed_ips"][0]["ip_address"], KIND: "fixed",
                       MAC: interface["mac_addr"]}  # fmt: skip
    assert (interface["net_id"], interface["port_state"], interface["tag"]) == (place.network, "ACTIVE", None)
    assert server["security_groups"] == [{"name": "default"}]
    path = f"/servers/{server['id']}"
    short = {"addr": address["addr"], "version": 4}
    assert place.member.get(f"{path}/ips") == {"addresses": {"private": [short]}}
    assert place.member.get(f"{path}/ips/private") == {"private": [short]}
    assert place.member("GET", f"{path}/ips/other").status_code == 404
    assert place.member.get(f"{path}/os-interface/{interface['port_id']}")["interfaceAttachment"] == interface
    assert place.member("GET", f"{path}/os-interface/{ABSENT}").status_code == 404
    (listed,) = place.member.get("/servers/detail")["servers"]
    assert (listed["addresses"], listed["security_groups"]) == (server["addresses"], server["security_groups"])
    place.member.delete(path)
    assert port(place.cloud, interface["port_id"]) is None


def test_what_is_taken_when_nothing_is_named(place: Place) -> None:
    assert place.boot(None, "2.36")["addresses"].keys() == {"private"}
    assert place.boot([], "2.36")["addresses"].keys() == {"private"}
    assert place.boot("auto")["addresses"].keys() == {"private"}
    assert place.boot("none")["addresses"] == {}
    place.add_network("second", 2)
    for networks, version in ((None, "2.36"), ("auto", "2.37")):
        reply = place.create(networks, version)
        assert (reply.status_code, sentence(reply)) == (
            409, "Multiple possible networks found, use a Network ID to be more specific.",
        )  # fmt: skip


def test_networks_of_others_are_used_when_they_are_shared(place: Place) -> None:
    theirs = a_network(place.cloud, "theirs", 3, project=place.stranger.project_id)
    reply = place.create([{"uuid": theirs}])
    assert (reply.status_code, sentence(reply)) == (400, f"Network {theirs} could not be found.")
    shared = a_network(place.cloud, "shared", 4, project=place.stranger.project_id, shared=True)
    assert place.boot([{"uuid": shared}])["addresses"].keys() == {"shared"}


def test_several_interfaces_keep_their_order_and_tags(place: Place) -> None:
    second = place.add_network("second", 2)
    mine = place.add_port(name="mine")
    asked = [{"uuid": second, "tag": "back"}, {"port": mine, "tag": "front"},
             {"uuid": place.network, "fixed_ip": "10.1.0.77"}]  # fmt: skip
    server = place.boot(asked)
    found = place.interfaces(server)
    assert [(one["net_id"], one["tag"]) for one in found] == [
        (second, "back"), (place.network, "front"), (place.network, None),
    ]  # fmt: skip
    assert found[1]["port_id"] == mine
    assert [one["addr"] for one in server["addresses"]["private"]][1] == "10.1.0.77"
    assert "tag" not in place.interfaces(server, version="2.69")[0]
    place.member.delete(f"/servers/{server['id']}")
    left = port(place.cloud, mine)
    assert left is not None
    assert (left["device_id"], left["name"]) == ("", "mine")


def _refusals(place: Place) -> list[tuple[Any, int, str, dict[str, Any]]]:
    taken = place.interfaces(place.boot([{"uuid": place.network, "fixed_ip": "10.1.0.9"}]))[0]["port_id"]
    free = place.add_port()
    bare = place.add_port(fixed_ips=[])
    foreign = a_port(place.cloud, a_network(place.cloud, "x", 9, project=place.stranger.project_id),
                     place.stranger.project_id)  # fmt: skip
    external = place.add_network("public", 5, external=True, project=place.stranger.project_id)
    open_net = place.add_network("open", 6, port_security_enabled=False)
    net = {"uuid": place.network}
    return [
        ([{"uuid": ABSENT}], 400, f"Network {ABSENT} could not be found.", {}),
        ([{"port": ABSENT}], 400, f"Port id {ABSENT} could not be found.", {}),
        ([{"port": foreign}], 400, f"Port id {foreign} could not be found.", {}),
        ([{"port": taken}], 409, f"Port {taken} is still in use.", {}),
        ([{"port": bare}], 400, f"Port {bare} requires a FixedIP in order to be used.", {}),
        ([{"port": free}, {"port": free}], 400, "one interface only", {}),
        ([{"port": free, "fixed_ip": "10.1.0.8"}], 400, "cannot be specified together", {}),
        ([{"tag": "x"}], 400, "must name a uuid or a port", {}),
        ([{**net, "fixed_ip": "10.1.0.9"}], 400, "Fixed IP address 10.1.0.9 is already in use", {}),
        ([{**net, "fixed_ip": "10.2.0.9"}], 400, "is not a valid ip address for network", {}),
        ([{**net, "fixed_ip": "10.1.0.8"}], 400, "max_count cannot be greater than 1", {"max_count": 2}),
        ([{"port": free}], 400, "multiple instances with one port", {"min_count": 2}),
        ([{"uuid": external}], 403, "It is not allowed to create an interface on external network", {}),
        ([net], 400, "Security group nowhere not found for project", {"security_groups": [{"name": "nowhere"}]}),
        ([{"uuid": open_net}], 400, "requires port_security_enabled", {"security_groups": [{"name": "web"}]}),
    ]


def test_what_cannot_be_had_is_refused_before_anything_is_made(place: Place) -> None:
    _group(place, "web")
    rows = _refusals(place)
    before = len(place.member.get("/servers")["servers"])
    for networks, status, words, more in rows:
        reply = place.create(networks, **more)
        said = sentence(reply)
        assert (reply.status_code, words in said) == (status, True), (networks, reply.status_code, said)
    assert len(place.member.get("/servers")["servers"]) == before


def _group(place: Place, name: str) -> str:
    body = {"security_group": {"name": name, "description": ""}}
    return str(place.member.made("/os-security-groups", body, version="2.1")["security_group"]["id"])


def test_groups_by_name_or_id(place: Place) -> None:
    web, data = _group(place, "web"), _group(place, "db")
    server = place.boot([{"uuid": place.network}], security_groups=[{"name": "web"}, {"name": data}])
    assert server["security_groups"] == [{"name": "db"}, {"name": "web"}]
    path = f"/servers/{server['id']}"
    found = place.member.get(f"{path}/os-security-groups")["security_groups"]
    assert {one["id"] for one in found} == {web, data}
    assert place.member.act(server["id"], {"removeSecurityGroup": {"name": "web"}}).status_code == 202
    assert place.member.act(server["id"], {"addSecurityGroup": {"name": "default"}}).status_code == 202
    assert place.member.show(server["id"])["security_groups"] == [{"name": "db"}, {"name": "default"}]
    for action, words in (({"removeSecurityGroup": {"name": "web"}}, "not associated"),
                          ({"addSecurityGroup": {"name": "nowhere"}}, "Security group nowhere not found")):  # fmt: skip
        reply = place.member.act(server["id"], action)
        assert (reply.status_code, words in sentence(reply)) == (404, True), reply.text
    _group(place, "web")
    reply = place.create([{"uuid": place.network}], security_groups=[{"name": "web"}])
    assert (reply.status_code, "Multiple security groups" in sentence(reply)) == (409, True)


def test_a_server_without_any_group_shows_none(place: Place) -> None:
    server = place.boot([{"uuid": place.network}])
    remove = {"removeSecurityGroup": {"name": "default"}}
    assert place.member.act(server["id"], remove, version="2.1").status_code == 202
    assert "security_groups" not in place.member.show(server["id"])
    assert place.member.show(server["id"])["addresses"] == server["addresses"]
    lonely = place.boot("none")
    assert place.member.act(lonely["id"], {"removeSecurityGroup": {"name": "default"}}).status_code == 202
    assert "security_groups" not in place.member.show(lonely["id"])


def test_answers_to_changes_show_addresses_in_short(place: Place) -> None:
    server = place.boot([{"uuid": place.network}])
    for version, keys in (("2.74", {"addr", "version"}), ("2.75", {"addr", "version", KIND, MAC})):
        changed = place.member("PUT", f"/servers/{server['id']}", {"server": {"name": "n"}}, version=version)
        assert set(changed.get_json()["server"]["addresses"]["private"][0]) == keys


def test_interfaces_come_and_go(place: Place) -> None:
    server = place.boot([{"uuid": place.network}])
    path = f"/servers/{server['id']}/os-interface"
    made = place.member.made(path, {"interfaceAttachment": {}})["interfaceAttachment"]
    assert (made["net_id"], made["port_state"], made["tag"]) == (place.network, "ACTIVE", None)
    mine = place.add_port()
    given = place.member.made(path, {"interfaceAttachment": {"port_id": mine, "tag": "data"}})["interfaceAttachment"]
    assert (given["port_id"], given["tag"]) == (mine, "data")
    wanted = {"net_id": place.network, "fixed_ips": [{"ip_address": "10.1.0.50"}]}
    fixed = place.member.made(path, {"interfaceAttachment": wanted})["interfaceAttachment"]
    assert [one["ip_address"] for one in fixed["fixed_ips"]] == ["10.1.0.50"]
    assert len(place.member.show(server["id"])["addresses"]["private"]) == 4
    for refused, status in (({"port_id": mine}, 409), ({"port_id": ABSENT}, 404), ({"net_id": ABSENT}, 404),
                            (wanted, 409)):  # fmt: skip
        reply = place.member.post(path, {"interfaceAttachment": refused})
        assert reply.status_code == status, reply.text
    for one in (made, given):
        assert place.member.delete(f"{path}/{one['port_id']}").status_code == 202
        assert place.member.delete(f"{path}/{one['port_id']}").status_code == 404
    assert port(place.cloud, made["port_id"]) is None
    assert port(place.cloud, mine) is not None
    actions = place.member.get(f"/servers/{server['id']}/os-instance-actions")["instanceActions"]
    assert [one["action"] for one in actions].count("attach_interface") == 3
    place.add_network("second", 2)
    reply = place.member.post(path, {"interfaceAttachment": {}})
    assert (reply.status_code, "Multiple possible networks" in sentence(reply)) == (400, True)


def test_a_host_that_fails_is_an_error_of_the_server(place: Place) -> None:
    server = place.boot([{"uuid": place.network}])
    path = f"/servers/{server['id']}/os-interface"
    place.cloud.fail_everywhere("attach_interface", "no slot left")
    reply = place.member.post(path, {"interfaceAttachment": {}})
    assert reply.status_code == 500
    assert len(place.interfaces(server)) == 1
    assert place.member.show(server["id"])["OS-EXT-STS:task_state"] is None


def test_addresses_come_and_go(place: Place) -> None:
    server = place.boot([{"uuid": place.network}])
    old = {"version": "2.43"}
    act = place.member.act
    assert act(server["id"], {"addFixedIp": {"networkId": place.network}}, **old).status_code == 202
    first, second = [one["addr"] for one in place.member.show(server["id"])["addresses"]["private"]]
    assert act(server["id"], {"removeFixedIp": {"address": first}}, **old).status_code == 202
    assert [one["addr"] for one in place.member.show(server["id"])["addresses"]["private"]] == [second]
    assert act(server["id"], {"removeFixedIp": {"address": first}}, **old).status_code == 400
    assert act(server["id"], {"addFixedIp": {"networkId": ABSENT}}, **old).status_code == 404


def test_servers_are_found_by_address(place: Place) -> None:
    one = place.boot([{"uuid": place.network, "fixed_ip": "10.1.0.7"}])
    place.boot([{"uuid": place.network, "fixed_ip": "10.1.0.80"}])
    for asked, count in (("ip=10.1.0.7$", 1), ("ip=10.1.0", 2), ("ip=1.0.7", 0), ("ip6=10", 0), ("ip=10%5C.1", 2)):
        found = place.member.get(f"/servers?{asked}")["servers"]
        assert len(found) == count, asked
    assert place.member.get("/servers?ip=10.1.0.7$")["servers"][0]["id"] == one["id"]
    assert place.stranger.get("/servers?ip=10.1.0")["servers"] == []


def test_ports_count(place: Place) -> None:
    project = place.member.project_id
    from novalite.db.networks import quotas

    place.cloud.db.run(lambda session: quotas.store(session, project, {"port": 3}))
    reply = place.create([{"uuid": place.network}] * 2, min_count=2)
    assert (reply.status_code, sentence(reply)) == (403, "Maximum number of ports exceeded")
    reply = place.create([{"uuid": place.network}], min_count=1, max_count=5)
    assert reply.status_code == 202
    assert len(place.member.get("/servers")["servers"]) == 3
    server = place.member.get("/servers")["servers"][0]
    reply = place.member.post(f"/servers/{server['id']}/os-interface", {"interfaceAttachment": {}})
    assert reply.status_code == 403


def test_only_the_owner_sees_and_changes_interfaces(place: Place) -> None:
    server = place.boot([{"uuid": place.network}])
    path = f"/servers/{server['id']}/os-interface"
    (interface,) = place.interfaces(server)
    other: Rest = place.stranger
    assert other("GET", path).status_code == 404
    assert other.post(path, {"interfaceAttachment": {}}).status_code == 404
    assert other.delete(f"{path}/{interface['port_id']}").status_code == 404


def test_auto_makes_a_network_where_there_is_none(place: Place) -> None:
    other = place.stranger
    body = {"name": "web", "flavorRef": "tiny", "imageRef": other.image(), "networks": "auto"}
    for _ in range(2):
        made = other.made("/servers", {"server": body}, version="2.37")["server"]["id"]
        assert other.show(made)["addresses"].keys() == {"auto_allocated_network"}
    second = {**body, "networks": None}
    del second["networks"]
    made = other.made("/servers", {"server": second}, version="2.36")["server"]["id"]
    assert other.show(made)["addresses"].keys() == {"auto_allocated_network"}


def test_a_port_deleted_under_a_server_is_taken_from_its_guest(place: Place) -> None:
    server = place.boot([{"uuid": place.network}, {"uuid": place.network}])
    first, second = place.interfaces(server)
    assert place.member.delete(f"/network/v2.0/ports/{first['port_id']}").status_code == 204
    assert place.interfaces(server) == [second]
    guest = place.cloud.driver(place.cloud.show(server["id"])["host"]).guest(server["id"])
    assert guest.vifs == [second["port_id"]]
    event = {"name": "network-vif-deleted", "server_uuid": server["id"], "tag": second["port_id"]}
    admin = place.cloud.rest("admin")
    assert admin.post("/os-server-external-events", {"events": [event]}).status_code == 200
    assert place.interfaces(server) == []
    assert place.cloud.driver(place.cloud.show(server["id"])["host"]).guest(server["id"]).vifs == []


def test_floating_addresses(place: Place) -> None:
    member, old = place.member, {"version": "2.35"}
    external = place.add_network("public", 5, external=True, project=place.stranger.project_id)
    net = "/network/v2.0"
    router = member.made(f"{net}/routers", {"router": {"external_gateway_info": {"network_id": external}}})["router"]
    subnet = member.get(f"{net}/networks/{place.network}")["network"]["subnets"][0]
    plugged = member("PUT", f"{net}/routers/{router['id']}/add_router_interface", {"subnet_id": subnet})
    assert plugged.status_code == 200, plugged.text
    assert member.get("/os-floating-ip-pools", **old) == {"floating_ip_pools": [{"name": "public"}]}
    made = member.made("/os-floating-ips", {"pool": "public"}, **old)["floating_ip"]
    server = place.boot([{"uuid": place.network}])
    add = {"addFloatingIp": {"address": made["ip"]}}
    assert member.act(server["id"], add, version="2.43").status_code == 202
    inside, outside = member.show(server["id"])["addresses"]["private"]
    assert (inside[KIND], outside[KIND], outside["addr"], outside[MAC]) == (
        "fixed", "floating", made["ip"], inside[MAC],
    )  # fmt: skip
    second = member.made("/os-floating-ips", **old, json=None)["floating_ip"]
    twice = member.act(server["id"], {"addFloatingIp": {"address": second["ip"]}}, version="2.43")
    assert twice.status_code == 400, "it has one already"
    assert member.delete(f"/os-floating-ips/{second['id']}", **old).status_code == 202
    (listed,) = member.get("/os-floating-ips", **old)["floating_ips"]
    assert listed == {"id": made["id"], "ip": made["ip"], "pool": "public", "fixed_ip": inside["addr"],
                      "instance_id": server["id"]}  # fmt: skip
    remove = {"removeFloatingIp": {"address": made["ip"]}}
    assert member.act(server["id"], remove, version="2.43").status_code == 202
    assert len(member.show(server["id"])["addresses"]["private"]) == 1
    assert member.act(server["id"], remove, version="2.43").status_code == 409
    nowhere = {"addFloatingIp": {"address": "192.0.2.1"}}
    assert member.act(server["id"], nowhere, version="2.43").status_code == 404
    assert member.delete(f"/os-floating-ips/{made['id']}", **old).status_code == 202
    assert member.get("/os-floating-ips", **old) == {"floating_ips": []}


def test_security_groups_by_way_of_the_compute_api(place: Place) -> None:
    member, old = place.member, {"version": "2.35"}
    assert [one["name"] for one in member.get("/os-security-groups", **old)["security_groups"]] == ["default"]
    web = _group(place, "web")
    rule = {"parent_group_id": web, "ip_protocol": "tcp", "from_port": 80, "to_port": 81, "cidr": "10.0.0.0/8"}
    made = member.made("/os-security-group-rules", {"security_group_rule": rule}, **old)["security_group_rule"]
    assert made == {"id": made["id"], "parent_group_id": web, "ip_protocol": "tcp", "from_port": 80, "to_port": 81,
                    "group": {}, "ip_range": {"cidr": "10.0.0.0/8"}}  # fmt: skip
    assert member.post("/os-security-group-rules", {"security_group_rule": rule}, **old).status_code == 400
    ping = {"parent_group_id": web, "ip_protocol": "icmp", "from_port": -1, "to_port": -1, "group_id": web}
    made = member.made("/os-security-group-rules", {"security_group_rule": ping}, **old)["security_group_rule"]
    assert (made["from_port"], made["to_port"], made["ip_range"]) == (-1, -1, {})
    assert made["group"] == {"name": "web", "tenant_id": member.project_id}
    shown = member.get(f"/os-security-groups/{web}", **old)["security_group"]
    assert len(shown["rules"]) == 2
    assert member.delete(f"/os-security-group-rules/{made['id']}", **old).status_code == 202
    changed = member("PUT", f"/os-security-groups/{web}", {"security_group": {"name": "w", "description": "d"}}, **old)
    assert changed.get_json()["security_group"]["name"] == "w"
    server = place.boot([{"uuid": place.network}], security_groups=[{"name": "w"}])
    assert member.delete(f"/os-security-groups/{web}", **old).status_code == 400
    member.delete(f"/servers/{server['id']}")
    assert member.delete(f"/os-security-groups/{web}", **old).status_code == 202
    assert place.stranger("GET", f"/os-security-groups/{web}", **old).status_code == 404


def test_networks_by_way_of_the_compute_api(place: Place) -> None:
    old = {"version": "2.35"}
    (shown,) = place.member.get("/os-networks", **old)["networks"]
    assert (shown["id"], shown["label"]) == (place.network, "private")
    assert place.member.get(f"/os-tenant-networks/{place.network}", **old)["network"]["label"] == "private"
    assert place.stranger("GET", f"/os-networks/{place.network}", **old).status_code == 404


def test_administrators_may_use_external_networks(place: Place) -> None:
    external = place.add_network("public", 5, external=True)
    admin = place.cloud.rest("admin")
    body = {"name": "web", "flavorRef": "tiny", "imageRef": admin.image(), "networks": [{"uuid": external}]}
    made = admin.made("/servers", {"server": body})["server"]["id"]
    assert admin.show(made)["addresses"].keys() == {"public"}
    server = place.boot([{"uuid": place.network}])
    path, wanted = f"/servers/{server['id']}/os-interface", {"interfaceAttachment": {"net_id": external}}
    assert place.member.post(path, wanted).status_code == 403
    assert admin.post(path, wanted).status_code == 200


def test_the_configuration_names_the_network_of_access_addresses(tmp_path: Path) -> None:
    named = {"networks.default_access_ip_network_name": "private"}
    with networked(tmp_path, overrides=named) as cloud:
        place = Place(cloud)
        server = place.boot([{"uuid": place.add_network("other", 2)}, {"uuid": place.network}])
        assert (server["accessIPv4"], server["accessIPv6"]) == (server["addresses"]["private"][0]["addr"], "")
        assert place.boot([{"uuid": place.network}], accessIPv4="192.0.2.1")["accessIPv4"] == "192.0.2.1"
        assert place.boot("none")["accessIPv4"] == ""


def test_a_port_that_names_a_server_is_not_the_servers(place: Place) -> None:
    """Whoever owns a port may write any device into it; that plugs it into nobody's guest."""
    server = place.boot([{"uuid": place.network}])
    other: Rest = place.stranger
    theirs = a_network(place.cloud, "theirs", 3, project=other.project_id)
    wanted = {"network_id": theirs, "device_id": server["id"], "device_owner": "compute:nova"}
    made = other.post("/network/v2.0/ports", {"port": wanted})
    assert made.status_code == 201
    free = a_port(place.cloud, theirs, other.project_id)
    naming = {"port": {"device_id": server["id"], "device_owner": "compute:nova"}}
    assert other("PUT", f"/network/v2.0/ports/{free}", naming).status_code == 200
    own = other.made("/servers", {"server": {"name": "x", "flavorRef": "tiny", "imageRef": other.image(),
                                             "networks": [{"uuid": theirs}]}})["server"]["id"]  # fmt: skip
    (plugged,) = other.get(f"/servers/{own}/os-interface")["interfaceAttachments"]
    assert other("PUT", f"/network/v2.0/ports/{plugged['port_id']}", naming).status_code == 200
    assert other.get(f"/servers/{own}/os-interface")["interfaceAttachments"] == []
    assert place.cloud.driver(place.cloud.show(own)["host"]).guest(own).vifs == []
    assert len(place.interfaces(server)) == 1
    assert place.member.show(server["id"])["addresses"] == server["addresses"]
    place.member.act(server["id"], {"reboot": {"type": "HARD"}})
    assert place.member.delete(f"/servers/{server['id']}").status_code == 204
    for one in (made.get_json()["port"]["id"], free, plugged["port_id"]):
        assert port(place.cloud, one) is not None
