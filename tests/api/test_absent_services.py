"""A cloud without network, volume and bare metal services answers as over empty ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.cloud import Cloud
from tests.rest import Rest, sentence

ID = "00000000-0000-4000-8000-00000000abcd"
SERVER = "/servers/{server}"
RULE = {"parent_group_id": ID, "ip_protocol": "tcp", "from_port": 22, "to_port": 22, "cidr": "10.0.0.0/8"}
ACT = f"POST {SERVER}/action"

ANSWERS: list[tuple[str, Any, str, int, Any]] = [
    # method and path, body, version, status, body of the answer or words in its sentence
    ("GET /os-networks", None, "2.35", 200, {"networks": []}),
    ("GET /os-networks", None, "2.36", 404, ""),
    (f"GET /os-networks/{ID}", None, "2.1", 404, "Network"),
    ("GET /os-tenant-networks", None, "2.1", 200, {"networks": []}),
    (f"GET /os-tenant-networks/{ID}", None, "2.1", 404, "Network"),
    ("GET /os-floating-ip-pools", None, "2.1", 200, {"floating_ip_pools": []}),
    ("GET /os-floating-ips", None, "2.1", 200, {"floating_ips": []}),
    (f"GET /os-floating-ips/{ID}", None, "2.1", 404, "Floating IP"),
    (f"DELETE /os-floating-ips/{ID}", None, "2.1", 404, "Floating IP"),
    ("POST /os-floating-ips", None, "2.1", 404, "pool"),
    ("POST /os-floating-ips", {"pool": "public"}, "2.1", 404, "pool"),
    ("POST /os-floating-ips", {"pool": 7}, "2.1", 400, "pool"),
    ("GET /os-security-groups", None, "2.1", 200, {"security_groups": []}),
    ("GET /os-security-groups?all_tenants=1&limit=5", None, "2.1", 200, {"security_groups": []}),
    (f"GET /os-security-groups/{ID}", None, "2.1", 404, "Security group"),
    ("GET /os-security-groups/7", None, "2.1", 400, "UUID"),
    ("POST /os-security-groups", {"security_group": {"name": "a", "description": "b"}}, "2.1", 501, "network service"),
    ("POST /os-security-groups", {"security_group": {"name": "a" * 256, "description": ""}}, "2.1", 400, "255"),
    (f"PUT /os-security-groups/{ID}", {"security_group": {"name": "a", "description": "b"}}, "2.1", 404, "Security"),
    ("PUT /os-security-groups/x", {"security_group": {"name": "a", "description": "b"}}, "2.1", 400, "UUID"),
    (f"DELETE /os-security-groups/{ID}", None, "2.1", 404, "Security group"),
    ("POST /os-security-group-rules", {"security_group_rule": RULE}, "2.1", 404, "Security group"),
    ("POST /os-security-group-rules", {"security_group_rule": {**RULE, "ip_protocol": "x"}}, "2.1", 400, "tcp"),
    ("POST /os-security-group-rules", {"security_group_rule": {**RULE, "from_port": -1}}, "2.1", 400, "port range"),
    ("POST /os-security-group-rules", {"security_group_rule": {**RULE, "to_port": 65536}}, "2.1", 400, "port range"),
    ("POST /os-security-group-rules", {"security_group_rule": {**RULE, "to_port": 21}}, "2.1", 400, "port range"),
    ("POST /os-security-group-rules", {"security_group_rule": {**RULE, "to_port": None}}, "2.1", 400, "parameters"),
    ("POST /os-security-group-rules", {"security_group_rule": {**RULE, "cidr": "x"}}, "2.1", 400, "address"),
    ("POST /os-security-group-rules", {"security_group_rule": {**RULE, "parent_group_id": "-1"}}, "2.1", 400, "UUID"),
    (f"DELETE /os-security-group-rules/{ID}", None, "2.1", 404, "Rule"),
    ("DELETE /os-security-group-rules/x", None, "2.1", 400, "UUID"),
    ("GET /os-volumes", None, "2.1", 200, {"volumes": []}),
    ("GET /os-volumes/detail?limit=1&offset=2", None, "2.35", 200, {"volumes": []}),
    (f"GET /os-volumes/{ID}", None, "2.1", 404, "Volume"),
    ("POST /os-volumes", {"volume": {"size": "1", "display_name": "v"}}, "2.1", 501, "volume service"),
    ("POST /os-volumes", {"volume": {"size": 0}}, "2.1", 400, "size"),
    (f"DELETE /os-volumes/{ID}", None, "2.1", 404, "Volume"),
    ("GET /os-snapshots", None, "2.1", 200, {"snapshots": []}),
    ("GET /os-snapshots/detail", None, "2.1", 200, {"snapshots": []}),
    (f"GET /os-snapshots/{ID}", None, "2.1", 404, "Snapshot"),
    ("POST /os-snapshots", {"snapshot": {"volume_id": ID, "force": "yes"}}, "2.1", 404, "Volume"),
    ("POST /os-snapshots", {"snapshot": {"volume_id": ID, "force": "**"}}, "2.1", 400, "boolean"),
    (f"DELETE /os-snapshots/{ID}", None, "2.1", 404, "Snapshot"),
    (f"GET {SERVER}/os-interface", None, "latest", 200, {"interfaceAttachments": []}),
    (f"GET {SERVER}/os-interface/{ID}", None, "latest", 404, "Port"),
    (f"POST {SERVER}/os-interface", {}, "2.1", 400, "No specific network"),
    (f"POST {SERVER}/os-interface", {"interfaceAttachment": {"port_id": ID}}, "2.1", 404, "Port"),
    (f"POST {SERVER}/os-interface", {"interfaceAttachment": {"net_id": ID, "tag": "x"}}, "2.49", 404, "Network"),
    (f"POST {SERVER}/os-interface", {"interfaceAttachment": {"net_id": ID, "tag": "x"}}, "2.48", 400, "tag"),
    (f"POST {SERVER}/os-interface", {"interfaceAttachment": {"net_id": ID, "port_id": ID}}, "2.1", 400, "both"),
    (f"POST {SERVER}/os-interface", {"interfaceAttachment": {"fixed_ips": [{"ip_address": "10.0.0.1"}]}}, "2.1", 400,
     "network_id"),
    (f"POST {SERVER}/os-interface", {"interfaceAttachment": {"net_id": ID, "fixed_ips": [{"ip_address": "x"}]}}, "2.1",
     400, "address"),
    (f"DELETE {SERVER}/os-interface/{ID}", None, "latest", 404, "Port"),
    (f"GET {SERVER}/os-security-groups", None, "latest", 200, {"security_groups": []}),
    (f"GET {SERVER}/os-volume_attachments?limit=1&offset=1", None, "latest", 200, {"volumeAttachments": []}),
    (f"GET {SERVER}/os-volume_attachments?nonsense=1", None, "2.75", 400, "nonsense"),
    (f"GET {SERVER}/os-volume_attachments/{ID}", None, "latest", 404, "not attached"),
    (f"POST {SERVER}/os-volume_attachments", {"volumeAttachment": {"volumeId": ID}}, "2.1", 404, "Volume"),
    (f"POST {SERVER}/os-volume_attachments", {"volumeAttachment": {"volumeId": "x"}}, "2.1", 400, "UUID"),
    (f"POST {SERVER}/os-volume_attachments", {"volumeAttachment": {"volumeId": ID, "device": "/tmp/a"}}, "2.1", 400,
     "device"),
    (f"POST {SERVER}/os-volume_attachments", {"volumeAttachment": {"volumeId": ID, "delete_on_termination": True}},
     "2.78", 400, "delete_on_termination"),
    (f"PUT {SERVER}/os-volume_attachments/{ID}", {"volumeAttachment": {"volumeId": ID}}, "2.84", 400, "new volume"),
    (f"PUT {SERVER}/os-volume_attachments/{ID}", {"volumeAttachment": {"volumeId": ID, "serverId": ID}}, "2.85", 400,
     "serverId"),
    (f"PUT {SERVER}/os-volume_attachments/{ID}", {"volumeAttachment": {"volumeId": ID, "delete_on_termination": True}},
     "2.85", 404, "not attached"),
    (f"PUT {SERVER}/os-volume_attachments/x", {"volumeAttachment": {"volumeId": ID}}, "2.1", 403, "swap"),
    (f"DELETE {SERVER}/os-volume_attachments/{ID}", None, "latest", 404, "not attached"),
    (f"GET {SERVER}/shares", None, "2.97", 200, {"shares": []}),
    (f"GET {SERVER}/shares", None, "2.96", 404, ""),
    (f"GET {SERVER}/shares/{ID}", None, "2.97", 404, "Share"),
    (f"POST {SERVER}/shares", {"share": {"share_id": ID}}, "2.97", 409, "vm_state active"),
    (f"POST {SERVER}/shares", {"share": {"share_id": "x"}}, "2.97", 400, "UUID"),
    (f"DELETE {SERVER}/shares/{ID}", None, "2.97", 409, "vm_state active"),
    (ACT, {"addSecurityGroup": {"name": "web"}}, "latest", 404, "Security group web"),
    (ACT, {"removeSecurityGroup": {"name": ""}}, "latest", 400, "name"),
    (ACT, {"removeSecurityGroup": {"name": "web"}}, "latest", 404, "Security group web is not associated"),
    (ACT, {"addFixedIp": {"networkId": ID}}, "2.43", 404, "Network"),
    (ACT, {"addFixedIp": {"networkId": ID}}, "2.44", 404, "no action"),
    (ACT, {"removeFixedIp": {"address": "10.0.0.1"}}, "2.1", 400, "fixed IP"),
    (ACT, {"addFloatingIp": {"address": "10.0.0.1"}}, "2.1", 400, "fixed IPs"),
    (ACT, {"addFloatingIp": {}}, "2.1", 400, "address"),
    (ACT, {"removeFloatingIp": {"address": "10.0.0.1"}}, "2.1", 404, "floating IP"),
    (ACT, {"os-getVNCConsole": {"type": "xvpvnc"}}, "2.5", 400, "Unavailable console type xvpvnc"),
    (ACT, {"os-getVNCConsole": {"type": "x"}}, "2.5", 400, "novnc"),
    (ACT, {"os-getSPICEConsole": {"type": "spice-html5"}}, "2.1", 400, "Unavailable"),
    (ACT, {"os-getSerialConsole": {"type": "serial"}}, "2.6", 404, "no action"),
    (f"POST {SERVER}/remote-consoles", {"remote_console": {"protocol": "vnc", "type": "novnc"}}, "2.5", 404, ""),
    (f"POST {SERVER}/remote-consoles", {"remote_console": {"protocol": "rdp", "type": "rdp-html5"}}, "2.6", 400,
     "Unavailable console type rdp-html5"),
    (f"POST {SERVER}/remote-consoles", {"remote_console": {"protocol": "mks", "type": "webmks"}}, "2.7", 400,
     "protocol"),
    (f"POST {SERVER}/remote-consoles", {"remote_console": {"protocol": "mks", "type": "webmks"}}, "2.8", 400, "webmks"),
    (f"POST {SERVER}/remote-consoles", {"remote_console": {"protocol": "spice", "type": "spice-direct"}}, "2.98", 400,
     "It must be one of"),
    (f"POST {SERVER}/remote-consoles", {"remote_console": {"protocol": "vnc", "type": "serial"}}, "2.6", 400,
     "Invalid console type"),
]  # fmt: skip

OF_ADMINS: list[tuple[str, Any, str, int, Any]] = [
    ("GET /os-baremetal-nodes", None, "2.35", 501, "bare metal"),
    ("GET /os-baremetal-nodes/x", None, "2.1", 501, "bare metal"),
    ("POST /os-baremetal-nodes", None, "2.1", 400, "cannot be changed"),
    ("DELETE /os-baremetal-nodes/x", None, "2.1", 400, "cannot be changed"),
    ("POST /os-baremetal-nodes/x/action", None, "latest", 400, "cannot be changed"),
    (
        f"PUT {SERVER}/os-volume_attachments/x",
        {"volumeAttachment": {"volumeId": ID}},
        "2.1",
        404,
        "not attached",
    ),
]

OF_OTHERS = [
    # what needs a server, and the right to change it
    f"GET {SERVER}/os-interface", f"GET {SERVER}/os-interface/{ID}", f"DELETE {SERVER}/os-interface/{ID}",
    f"GET {SERVER}/os-volume_attachments", f"GET {SERVER}/os-volume_attachments/{ID}",
    f"DELETE {SERVER}/os-volume_attachments/{ID}", f"GET {SERVER}/shares", f"DELETE {SERVER}/shares/{ID}",
    f"GET {SERVER}/os-security-groups",
]  # fmt: skip


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """One host."""
    with Cloud(tmp_path_factory.mktemp("cloud")) as made:
        yield made


@pytest.fixture(scope="module")
def server(cloud: Cloud) -> str:
    """An active server of the member."""
    member = cloud.rest()
    return member.boot("web", imageRef=member.image())


def _ask(caller: Rest, line: str, server: str, body: Any = None, version: str = "latest") -> Any:
    method, path = line.replace("{server}", server).split(" ")
    return caller(method, path, body, version=version)


def _check(caller: Rest, server: str, row: tuple[str, Any, str, int, Any]) -> None:
    line, body, version, status, said = row
    reply = _ask(caller, line, server, body, version)
    assert reply.status_code == status, (line, version, reply.text)
    if isinstance(said, str):
        assert said in sentence(reply), (line, reply.text)
    else:
        assert reply.get_json() == said


def test_what_members_are_answered(cloud: Cloud, server: str) -> None:
    for row in ANSWERS:
        _check(cloud.rest(), server, row)


def test_what_admins_are_answered(cloud: Cloud, server: str) -> None:
    for row in OF_ADMINS:
        _check(cloud.rest("admin"), server, row)
        if row[0].startswith(("GET", "POST")):
            assert _ask(cloud.rest(), row[0], server, row[1], row[2]).status_code == 403


def test_a_foreign_server_is_not_found_and_a_locked_one_stays_as_it_is(cloud: Cloud, server: str) -> None:
    stranger = cloud.rest("stranger")
    for line in OF_OTHERS:
        assert sentence(_ask(stranger, line, server)) == f"Instance {server} could not be found."
    member = cloud.rest()
    assert member.act(server, {"lock": None}).status_code == 202
    for line in OF_OTHERS:
        reply = _ask(member, line, server)
        assert reply.status_code != 409 if line.startswith("GET") else "is locked" in sentence(reply), line
    assert "is locked" in sentence(member.act(server, {"addSecurityGroup": {"name": "web"}}))
    assert member.act(server, {"unlock": None}).status_code == 202


def test_readers_change_nothing(cloud: Cloud, server: str) -> None:
    reader = cloud.rest("reader", project="member", role="reader")
    for line, body, version, _, _ in ANSWERS:
        if not line.startswith("GET") and version != "2.44":
            reply = _ask(reader, line, server, body, version)
            assert reply.status_code in (400, 403, 404), line
            if reply.status_code == 404:
                assert "no action" in sentence(reply) or "resource could not be found" in sentence(reply), (
                    line
                )


def test_a_console_needs_a_guest_that_runs(cloud: Cloud) -> None:
    member = cloud.rest()
    server = member.boot("off", imageRef=member.image())
    assert member.act(server, {"os-stop": None}).status_code == 202
    body = {"remote_console": {"protocol": "vnc", "type": "novnc"}}
    reply = member.post(f"/servers/{server}/remote-consoles", body)
    assert (reply.status_code, "is not ready" in sentence(reply)) == (409, True)
    other = member.post(f"/servers/{server}/remote-consoles", {"remote_console": {"protocol": "mks", "type": "webmks"}})
    assert other.status_code == 409
    assert _ask(member, f"POST {SERVER}/shares", server, {"share": {"share_id": ID}}).status_code == 404
    swap = {"volumeAttachment": {"volumeId": ID}}
    assert _ask(cloud.rest("admin"), f"PUT {SERVER}/os-volume_attachments/x", server, swap).status_code == 409


def test_volumes_boot_is_another_name_of_servers_to_2_102(cloud: Cloud, server: str) -> None:
    member = cloud.rest()
    assert member.get("/os-volumes_boot", version="2.102") == member.get("/servers", version="2.102")
    assert member.get(f"/os-volumes_boot/{server}", version="2.1") == member.get(
        f"/servers/{server}", version="2.1"
    )
    assert member("GET", "/os-volumes_boot", version="2.103").status_code == 404
    links = member.get("/os-volumes_boot?limit=1", version="2.1")["servers_links"]
    assert "/os-volumes_boot?limit=1&marker=" in links[0]["href"]


def test_a_server_keeps_the_names_of_its_security_groups(cloud: Cloud) -> None:
    member = cloud.rest()
    server = member.boot(
        "groups", imageRef=member.image(), security_groups=[{"name": "a"}, {"name": "default"}]
    )
    assert member.show(server)["security_groups"] == [{"name": "a"}, {"name": "default"}]
    for name in ("a", "default"):
        assert member.act(server, {"removeSecurityGroup": {"name": name}}).status_code == 202
        assert member.act(server, {"removeSecurityGroup": {"name": name}}).status_code == 404
    assert "security_groups" not in member.show(server)
    assert "security_groups" not in member.get(f"/servers/detail?uuid={server}")["servers"][0]
    for _ in range(2):
        assert member.act(server, {"addSecurityGroup": {"name": "default"}}).status_code == 202
    assert member.show(server)["security_groups"] == [{"name": "default"}]
