"""The main job through REST alone: image, flavor, keypair, server, its life and its end."""

from __future__ import annotations

import base64

import pytest

from tests.cloud import Cloud
from tests.disks import qcow2
from tests.flows.harness import check_invariants

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ6JBrHZbhkK8n8mbLJVS5VJh4wcRZHTsyDN2TVE4yXr ada@example"
NETWORKS = ["none", "auto"]


@pytest.mark.parametrize("networks", NETWORKS)
def test_a_server_from_nothing_to_active(two_hosts: Cloud, networks: str) -> None:
    admin, member = two_hosts.rest("admin"), two_hosts.rest()
    admin.flavor("small", vcpus=2, ram=128, disk=2)
    image = member.image(qcow2(1 << 30), disk_format="qcow2", name="cirros", min_disk=1)
    key = member.made("/os-keypairs", {"keypair": {"name": "ada", "public_key": KEY, "type": "ssh"}})
    data = base64.b64encode(b"#cloud-config").decode()
    reply = member.create("web", flavorRef="small", imageRef=image, networks=networks, key_name="ada",
                          metadata={"role": "web"}, tags=["blue"], user_data=data)  # fmt: skip
    made = reply.get_json()["server"]
    assert reply.status_code == 202
    assert reply.headers["Location"].endswith(f"/servers/{made['id']}")
    assert len(made["adminPass"]) == 12

    server = member.show(made["id"])
    assert (server["status"], server["OS-EXT-STS:vm_state"], server["OS-EXT-STS:task_state"]) == (
        "ACTIVE", "active", None,
    )  # fmt: skip
    assert server["OS-EXT-STS:power_state"] == 1
    assert server["image"]["id"] == image
    assert server["flavor"] | {"vcpus": 2, "ram": 128, "disk": 2} == server["flavor"]
    assert (server["key_name"], server["metadata"], server["tags"]) == ("ada", {"role": "web"}, ["blue"])
    assert (server["tenant_id"], server["user_id"]) == (member.project_id, member.user_id)
    assert server["addresses"] == {}
    assert key["keypair"]["fingerprint"]
    host = admin.show(made["id"])["OS-EXT-SRV-ATTR:host"]
    assert host in two_hosts.host_names
    (guest,) = two_hosts.driver(host).guests()
    assert guest.server_id == made["id"]
    check_invariants(two_hosts)


def test_what_can_be_read_of_a_server(two_hosts: Cloud) -> None:
    admin, member, other = two_hosts.rest("admin"), two_hosts.rest(), two_hosts.rest("stranger")
    image = member.image()
    first, second = member.boot("web", imageRef=image), member.boot("db", imageRef=image)
    assert {s["id"] for s in member.get("/servers")["servers"]} == {first, second}
    assert [s["id"] for s in member.get("/servers/detail?name=^web$")["servers"]] == [first]
    assert member.get("/servers/detail?limit=1")["servers_links"][0]["rel"] == "next"
    assert other.get("/servers")["servers"] == []
    assert len(admin.get("/servers?all_tenants=1")["servers"]) == 2
    assert {admin.show(s)["OS-EXT-SRV-ATTR:host"] for s in (first, second)} == {"alpha", "beta"}, "spread"

    output = member.act(first, {"os-getConsoleOutput": {"length": 2}}).get_json()["output"]
    assert output.splitlines()[-1].startswith("novalite-guest: up")
    assert len(output.split("\n")) == 2

    (action,) = member.get(f"/servers/{first}/os-instance-actions")["instanceActions"]
    path = f"/servers/{first}/os-instance-actions/{action['request_id']}"
    shown = admin.get(path)["instanceAction"]
    assert (shown["action"], shown["message"], shown["project_id"]) == ("create", None, member.project_id)
    assert [(e["event"], e["result"]) for e in shown["events"]]
    assert all(e["result"] == "Success" and e["finish_time"] for e in shown["events"])
    assert all("host" not in e for e in member.get(path)["instanceAction"]["events"]), "for admins only"

    usage = member.get("/limits")["limits"]["absolute"]
    assert (usage["totalInstancesUsed"], usage["totalCoresUsed"], usage["totalRAMUsed"]) == (2, 2, 128)
    hypervisors = admin.get("/os-hypervisors/detail", version="2.53")["hypervisors"]
    assert sorted(h["hypervisor_hostname"] for h in hypervisors) == ["alpha", "beta"]
    services = admin.get("/os-services")["services"]
    assert {s["host"] for s in services if s["binary"] == "nova-compute"} == {"alpha", "beta"}


def test_what_can_be_done_to_a_server(two_hosts: Cloud) -> None:
    member = two_hosts.rest()
    server = member.boot("web", imageRef=member.image())
    for action, then in (
        ({"os-stop": None}, "SHUTOFF"),
        ({"os-start": None}, "ACTIVE"),
        ({"reboot": {"type": "SOFT"}}, "ACTIVE"),
        ({"reboot": {"type": "HARD"}}, "ACTIVE"),
        ({"pause": None}, "PAUSED"),
        ({"unpause": None}, "ACTIVE"),
        ({"suspend": None}, "SUSPENDED"),
        ({"resume": None}, "ACTIVE"),
    ):
        reply = member.act(server, action)
        assert (reply.status_code, reply.text) == (202, ""), action
        assert member.show(server)["status"] == then, action
        check_invariants(two_hosts)
    path = f"/servers/{server}/metadata"
    assert member.made(path, {"metadata": {"a": "1", "b": "2"}}) == {"metadata": {"a": "1", "b": "2"}}
    assert member("PUT", path, {"metadata": {"c": "3"}}).get_json() == {"metadata": {"c": "3"}}
    assert member("PUT", f"{path}/d", {"meta": {"d": "4"}}).get_json() == {"meta": {"d": "4"}}
    assert member.get(f"{path}/d") == {"meta": {"d": "4"}}
    assert member.delete(f"{path}/c").status_code == 204
    assert member.show(server)["metadata"] == {"d": "4"}
    reply = member("PUT", f"/servers/{server}", {"server": {"name": "renamed"}})
    assert reply.get_json()["server"]["name"] == "renamed"


@pytest.mark.parametrize("networks", NETWORKS)
def test_the_end_of_a_server(two_hosts: Cloud, networks: str) -> None:
    admin, member = two_hosts.rest("admin"), two_hosts.rest()
    image = member.image()
    server = member.boot("web", imageRef=image, networks=networks)
    assert member.delete(f"/servers/{server}").status_code == 204
    assert member("GET", f"/servers/{server}").status_code == 404
    assert member.delete(f"/servers/{server}").status_code == 404
    assert member.get("/servers")["servers"] == []
    assert [s["id"] for s in admin.get("/servers?all_tenants=1&deleted=1")["servers"]] == [server]
    actions = member.get(f"/servers/{server}/os-instance-actions")["instanceActions"]
    assert [a["action"] for a in actions] == ["delete", "create"]
    assert member.get("/limits")["limits"]["absolute"]["totalInstancesUsed"] == 0
    assert all(two_hosts.driver(host).guests() == [] for host in two_hosts.host_names)
    assert member.delete(f"/image/v2/images/{image}").status_code == 204
    check_invariants(two_hosts)


def test_a_build_that_no_host_can_do_ends_with_its_reason(two_hosts: Cloud) -> None:
    member = two_hosts.rest()
    two_hosts.fail_everywhere("spawn", "no such luck", times=None)
    made = member.create("web", imageRef=member.image()).get_json()["server"]["id"]
    server = member.show(made)
    assert (server["status"], server["fault"]["code"]) == ("ERROR", 500)
    assert "no such luck" in server["fault"]["message"]
    (action,) = member.get(f"/servers/{made}/os-instance-actions")["instanceActions"]
    assert action["message"] == "Error"
    assert member.delete(f"/servers/{made}").status_code == 204
    check_invariants(two_hosts)


def test_a_host_that_refuses_is_passed_over(two_hosts: Cloud) -> None:
    admin, member = two_hosts.rest("admin"), two_hosts.rest()
    two_hosts.driver("alpha").fail("spawn", "bad disk")
    server = member.boot("web", imageRef=member.image())
    assert admin.show(server)["OS-EXT-SRV-ATTR:host"] == "beta"
    check_invariants(two_hosts)
