"""What a network and a volume service tell, as the compute API shows it: any service behind the ports will do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from novalite.api.app import create_app
from novalite.context import Context
from novalite.networks.absent import NoNetworks
from novalite.objects.base import Record
from novalite.rpc.client import Client
from novalite.volumes.absent import NoVolumes
from tests.cloud import Cloud
from tests.rest import Rest

ID, OTHER = "00000000-0000-4000-8000-00000000aaaa", "00000000-0000-4000-8000-00000000bbbb"
NETWORK = {"id": ID, "label": "private"}
FLOATING = {"id": ID, "ip": "172.24.4.5", "pool": "public", "fixed_ip": None, "instance_id": None}
TO_ALL = {
    "id": ID,
    "ip_protocol": "tcp",
    "from_port": 22,
    "to_port": 22,
    "ip_range": "0.0.0.0/0",
    "group": None,
}
TO_GROUP = {**TO_ALL, "id": OTHER, "ip_range": None, "group": {"name": "web", "project_id": "p"}}
GROUP = {"id": ID, "name": "web", "description": "d", "project_id": "p", "rules": [TO_ALL, TO_GROUP]}
PORT = {"port_id": ID, "net_id": OTHER, "mac_addr": "fa:16:3e:00:00:01", "port_state": "ACTIVE", "tag": "nic1",
        "fixed_ips": [{"subnet_id": OTHER, "ip_address": "10.0.0.3"}]}  # fmt: skip
ATTACHED = {"id": OTHER, "volume_id": ID, "device": "/dev/vdb", "tag": "data", "delete_on_termination": True,
            "bdm_uuid": OTHER}  # fmt: skip
VOLUME = {"id": ID, "status": "available", "size": 1, "availability_zone": "nova", "name": "v", "description": None,
          "created_at": "2026-01-31T10:00:00.000000", "volume_type": None, "snapshot_id": None, "metadata": {},
          "attachments": []}  # fmt: skip
SHARE = {"share_id": ID, "status": "active", "tag": ID, "uuid": OTHER, "export_location": "10.0.0.9:/s"}


class Networks(NoNetworks):
    """One of each thing; remembers what it was told to do."""

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self.told: list[Any] = []

    def networks(self, ctx: Context) -> list[Record]:
        return [NETWORK]

    def network(self, ctx: Context, network_id: str) -> Record:
        return NETWORK

    def pools(self, ctx: Context) -> list[str]:
        return ["public"]

    def floating_ips(self, ctx: Context) -> list[Record]:
        return [FLOATING]

    def allocate_floating_ip(self, ctx: Context, pool: str | None) -> Record:
        self.told.append(pool)
        return FLOATING

    def security_groups(self, ctx: Context, all_projects: bool = False) -> list[Record]:
        return [{**GROUP, "name": name} for name in ("web", "db")][: 2 if all_projects else 1]

    def create_security_group(self, ctx: Context, name: str, description: str) -> Record:
        return {**GROUP, "name": name, "description": description, "rules": []}

    def add_rule(self, ctx: Context, group_id: str, rule: Record) -> Record:
        self.told.append((group_id, rule))
        return TO_ALL

    def interfaces(self, ctx: Context, server: Record) -> list[Record]:
        return [PORT]

    def attach(self, ctx: Context, server: Record, wanted: Record) -> Record:
        self.told.append((server["id"], wanted))
        return PORT

    def groups_of(self, ctx: Context, server: Record) -> list[Record]:
        return [GROUP]

    def change_groups(self, ctx: Context, server: Record, verb: str, name: str) -> None:
        self.told.append((server["id"], verb, name))


class Volumes(NoVolumes):
    """One of each thing; remembers what it was told to do."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def volumes(self, ctx: Context) -> list[Record]:
        return [VOLUME, {**VOLUME, "id": OTHER}]

    def attachments(self, ctx: Context, server: Record) -> list[Record]:
        return [ATTACHED, {**ATTACHED, "volume_id": OTHER}]

    def attach(self, ctx: Context, server: Record, wanted: Record) -> Record:
        self.told.append(wanted)
        return ATTACHED

    def change_attachment(self, ctx: Context, server: Record, volume_id: str, wanted: Record) -> None:
        self.told.append((volume_id, wanted))

    def shares(self, ctx: Context, server: Record) -> list[Record]:
        return [SHARE]


class Behind:
    """An API with both services, its callers, and a server."""

    def __init__(self, cloud: Cloud) -> None:
        self.networks, self.volumes = Networks(cloud.client), Volumes()
        member = cloud.rest()
        self.server = member.boot("web", imageRef=member.image())
        identity = member.http.application.extensions["novalite"].identity
        http = create_app(cloud.conf, cloud.client, identity, self.networks, self.volumes).test_client()
        self.member = Rest(http, member.token, member.project_id)
        self.admin = Rest(http, cloud.rest("admin").token)


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    """One for all: nothing is changed."""
    with Cloud(tmp_path_factory.mktemp("cloud")) as cloud:
        yield Behind(cloud)


def test_networks_and_addresses(behind: Behind) -> None:
    old = {"version": "2.35"}
    (network,) = behind.member.get("/os-networks", **old)["networks"]
    assert (network["id"], network["label"], network["cidr"], len(network)) == (ID, "private", None, 11)
    assert len(behind.admin.get(f"/os-networks/{ID}", **old)["network"]) == 32
    assert behind.member.get("/os-tenant-networks", **old)["networks"] == [
        {"id": ID, "cidr": "None", "label": "private"}
    ]
    assert behind.member.get("/os-floating-ip-pools", **old) == {"floating_ip_pools": [{"name": "public"}]}
    assert behind.member.get("/os-floating-ips", **old) == {"floating_ips": [FLOATING]}
    assert behind.member.made("/os-floating-ips", {"pool": "public"}, **old) == {"floating_ip": FLOATING}
    assert behind.networks.told.pop() == "public"


def test_security_groups(behind: Behind) -> None:
    old = {"version": "2.1"}
    (shown,) = behind.member.get("/os-security-groups?all_tenants=1", **old)["security_groups"]
    assert (shown["id"], shown["name"], shown["description"], shown["tenant_id"]) == (ID, "web", "d", "p")
    to_all, to_group = shown["rules"]
    assert to_all == {
        "id": ID, "parent_group_id": ID, "ip_protocol": "tcp", "from_port": 22, "to_port": 22, "group": {},
        "ip_range": {"cidr": "0.0.0.0/0"},
    }  # fmt: skip
    assert (to_group["group"], to_group["ip_range"]) == ({"name": "web", "tenant_id": "p"}, {})
    everywhere = behind.admin.get("/os-security-groups?all_tenants=1", **old)["security_groups"]
    assert [group["name"] for group in everywhere] == ["db", "web"]
    assert len(behind.admin.get("/os-security-groups?all_tenants=1&offset=1", **old)["security_groups"]) == 1
    made = behind.member.made(
        "/os-security-groups", {"security_group": {"name": "n", "description": ""}}, **old
    )
    assert (made["security_group"]["name"], made["security_group"]["rules"]) == ("n", [])
    rule = {"parent_group_id": ID, "ip_protocol": "TCP", "from_port": "22", "to_port": 22}
    for more, cidr, group in (({}, "0.0.0.0/0", None), ({"cidr": "10.1.2.3/8"}, "10.1.2.3/8", None),
                              ({"cidr": "10.1.2.3"}, "10.1.2.3/32", None),
                              ({"group_id": OTHER}, None, OTHER)):  # fmt: skip
        assert "security_group_rule" in behind.member.made(
            "/os-security-group-rules", {"security_group_rule": {**rule, **more}}, **old
        )
        assert behind.networks.told.pop() == (
            ID,
            {"ip_protocol": "tcp", "from_port": 22, "to_port": 22, "cidr": cidr, "group_id": group},
        )


def test_parts_of_a_server(behind: Behind) -> None:
    path = f"/servers/{behind.server}"
    (port,) = behind.member.get(f"{path}/os-interface", version="2.69")["interfaceAttachments"]
    assert port == {key: value for key, value in PORT.items() if key != "tag"}
    assert behind.member.get(f"{path}/os-interface", version="2.70")["interfaceAttachments"] == [PORT]
    body = {"interfaceAttachment": {"net_id": OTHER, "fixed_ips": [{"ip_address": "10.0.0.3"}]}}
    assert behind.member.made(f"{path}/os-interface", body) == {"interfaceAttachment": PORT}
    wanted = {"port_id": None, "net_id": OTHER, "fixed_ips": [{"ip_address": "10.0.0.3"}], "tag": None,
              "external": False}  # fmt: skip
    assert behind.networks.told.pop() == (behind.server, wanted)
    assert behind.member.get(f"{path}/os-security-groups")["security_groups"][0]["name"] == "web"
    assert behind.member.act(behind.server, {"addSecurityGroup": {"name": "db"}}).status_code == 202
    assert behind.networks.told.pop() == (behind.server, "add", "db")


ATTACHMENT_KEYS = (
    ("2.1", {"id", "volumeId", "serverId", "device"}),
    ("2.70", {"id", "volumeId", "serverId", "device", "tag"}),
    ("2.79", {"id", "volumeId", "serverId", "device", "tag", "delete_on_termination"}),
    ("2.89", {"attachment_id", "bdm_uuid", "volumeId", "serverId", "device", "tag", "delete_on_termination"}),
)


def test_volumes_of_a_server(behind: Behind) -> None:
    path = f"/servers/{behind.server}/os-volume_attachments"
    for version, keys in ATTACHMENT_KEYS:
        shown = behind.member.get(path, version=version)["volumeAttachments"]
        assert (len(shown), set(shown[0]), shown[0]["serverId"]) == (2, keys, behind.server)
    assert [a["volumeId"] for a in behind.member.get(f"{path}?limit=1&offset=1")["volumeAttachments"]] == [
        OTHER
    ]
    body = {"volumeAttachment": {"volumeId": ID, "device": "/dev/vdb"}}
    reply = behind.member.post(path, body, version="2.100")
    assert (reply.status_code, reply.get_json()["volumeAttachment"]["volumeId"]) == (200, ID)
    reply = behind.member.post(path, body, version="2.101")
    assert (reply.status_code, reply.data) == (202, b"")
    wanted = {"volume_id": ID, "device": "/dev/vdb", "tag": None, "delete_on_termination": False}
    assert behind.volumes.told == [wanted, wanted]
    behind.volumes.told.clear()
    swap = {"volumeAttachment": {"volumeId": OTHER}}
    assert behind.admin("PUT", f"{path}/{ID}", swap).status_code == 202
    keep = {"volumeAttachment": {"volumeId": ID, "delete_on_termination": False}}
    assert behind.member("PUT", f"{path}/{ID}", keep).status_code == 202
    assert behind.member("PUT", f"{path}/{ID}", swap).status_code == 403, "swapping is for services"
    assert behind.volumes.told == [
        (ID, {"volume_id": OTHER, "delete_on_termination": None}),
        (ID, {"volume_id": ID, "delete_on_termination": False}),
    ]


def test_volumes_and_shares(behind: Behind) -> None:
    first, _ = behind.member.get("/os-volumes", version="2.1")["volumes"]
    assert (first["displayName"], first["volumeType"], first["attachments"]) == ("v", None, [{}])
    assert len(behind.member.get("/os-volumes/detail?limit=1", version="2.1")["volumes"]) == 1
    (share,) = behind.member.get(f"/servers/{behind.server}/shares")["shares"]
    assert share == {"share_id": ID, "status": "active", "tag": ID}
    (share,) = behind.admin.get(f"/servers/{behind.server}/shares")["shares"]
    assert share == SHARE
