"""How many messages and SQL statements a request costs, and that lists do not cost more by their length.

Statements are counted with the BEGIN that SQLite's transactions say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from novalite.db.models.compute import Server, new_id
from tests.cloud import Cloud
from tests.networked import a_network, networked
from tests.rest import Rest

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ6JBrHZbhkK8n8mbLJVS5VJh4wcRZHTsyDN2TVE4yXr ada@example"
UNLIMITED = {f"quota.{name}": -1 for name in ("instances", "cores", "ram")}

BOOT = [
    ("call", "servers.create"),
    ("cast", "tasks.poke"),
    ("call", "scheduler.select"),
    ("fanout", "host_feed.changed"),
    ("cast", "guests.spawn"),
    ("call", "hosted_servers.finished"),
]
"""Everything that is sent for one boot, from POST /servers to ACTIVE."""

BOOT_STATEMENTS = 24
FOR_EACH_MORE = 15
"""Statements of each further server of one request."""


class Costs:
    """What one request cost."""

    def __init__(self, cloud: Cloud, request: Callable[[], Any]) -> None:
        databases = [cloud.db, *cloud.databases]
        before = sum(db.statements for db in databases)
        with cloud.bus.recording() as sent:
            self.reply = request()
        self.statements = sum(db.statements for db in databases) - before
        self.messages = [(e.kind.value, e.name) for e in sent]
        assert self.reply.status_code < 300, self.reply.text


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    """Two hosts and no limits."""
    with Cloud(tmp_path, hosts=("alpha", "beta"), overrides=UNLIMITED) as made:
        yield made


def test_a_boot_takes_six_messages(cloud: Cloud) -> None:
    member = cloud.rest()
    image = member.image()
    for _ in range(2):
        cost = Costs(cloud, lambda: member.create("web", imageRef=image))
        assert cost.messages == BOOT
        assert cost.statements <= BOOT_STATEMENTS
    assert len(BOOT) <= 6


def test_many_servers_of_one_request_share_its_cost(cloud: Cloud) -> None:
    member = cloud.rest()
    image = member.image()
    for count in (1, 3, 12):
        cost = Costs(cloud, lambda n=count: member.create("web", imageRef=image, min_count=n))  # type: ignore[misc]
        assert cost.messages.count(("call", "servers.create")) == 1
        assert cost.messages.count(("cast", "tasks.poke")) == 1
        assert len(cost.messages) == 2 + 4 * count
        assert cost.statements <= BOOT_STATEMENTS + FOR_EACH_MORE * (count - 1)
    with cloud.bus.lose(lambda e: e.method == "poke"):
        few, many = (
            Costs(cloud, lambda n=n: member.create("web", imageRef=image, min_count=n)).statements
            for n in (2, 40)
        )
    assert many == few, "what the user waits for does not grow with the number of servers"


NETWORKED_STATEMENTS = 60
"""Of a boot with one new port, from POST /servers to ACTIVE."""
NEWS = ("cast", "network_news.changed")


def test_what_networks_cost(tmp_path: Path) -> None:
    with networked(tmp_path, overrides=UNLIMITED) as cloud:
        member = cloud.rest()
        image = member.image()
        network = a_network(cloud, project=member.project_id)
        member.boot("first", imageRef=image, networks=[{"uuid": network}])  # makes the default group
        cost = Costs(cloud, lambda: member.create("web", imageRef=image, networks=[{"uuid": network}]))
        assert [one for one in cost.messages if one != NEWS] == BOOT
        assert cost.messages.count(NEWS) <= 2, "each host with the network is told once"
        assert cost.statements <= NETWORKED_STATEMENTS, cost.statements
        server = cost.reply.get_json()["server"]["id"]
        path = f"/servers/{server}/os-interface"
        for where, statements in (("/servers/detail", 4), (f"/servers/{server}", 4), (f"/servers/{server}/ips", 4),
                                  ("/servers?ip=10.", 2)):  # fmt: skip
            read = _read(cloud, member, where)
            assert [kind for kind, _ in read.messages] == ["call"], where
            assert read.statements <= statements, (where, read.statements)
        attached = Costs(cloud, lambda: member.post(path, {"interfaceAttachment": {}}))
        assert [one[1] for one in attached.messages if one != NEWS] == [
            "servers.show", "interfaces.attach", "guest_interfaces.attach",
        ]  # fmt: skip
        assert attached.statements <= 56, attached.statements
        port = attached.reply.get_json()["interfaceAttachment"]["port_id"]
        detached = Costs(cloud, lambda: member.delete(f"{path}/{port}"))
        assert [one[1] for one in detached.messages if one != NEWS] == [
            "servers.show", "interfaces.detach", "tasks.poke", "guest_interfaces.detach",
        ]  # fmt: skip
        assert detached.statements <= 38, detached.statements
        _copies(cloud, server, 300)
        assert _read(cloud, member, "/servers/detail").statements <= 4


def test_a_quota_is_found_by_halving(cloud: Cloud) -> None:
    member = cloud.rest()
    limits = {"quota_set": {"instances": 3}}
    assert cloud.rest("admin")("PUT", f"/os-quota-sets/{member.project_id}", limits).status_code == 200
    image = member.image()
    with cloud.bus.lose(lambda e: e.method == "poke"):
        cost = Costs(cloud, lambda: member.create("web", imageRef=image, min_count=1, max_count=10**9))
    assert len(member.get("/servers")["servers"]) == 3
    assert cost.statements < 150


ACTIONS = {
    # body of the action: messages, most statements
    "os-stop": (["servers.act", "tasks.poke", "guests.power", "hosted_servers.finished"], 16),
    "os-start": (["servers.act", "tasks.poke", "guests.power", "hosted_servers.finished"], 15),
    "lock": (["servers.lock"], 4),
    "unlock": (["servers.unlock"], 4),
    "os-getConsoleOutput": (["servers.console_output", "guests.console_output"], 2),
    "trigger_crash_dump": (["servers.act", "tasks.poke", "guests.power", "hosted_servers.finished"], 15),
    "changePassword": (["passwords.change", "guest_questions.set_password"], 15),
}


VALUES = {"changePassword": {"adminPass": "secret"}}


def test_what_other_disks_cost(cloud: Cloud) -> None:
    member = cloud.rest()
    image = member.image()
    server = member.boot("web", imageRef=image)
    for action, (messages, statements) in {
        "rebuild": (["servers.act", "tasks.poke", "guests.rebuild", "hosted_servers.finished"], 20),
        "rescue": (["servers.act", "tasks.poke", "guests.rescue", "hosted_servers.finished"], 18),
        "unrescue": (["servers.act", "tasks.poke", "guests.power", "hosted_servers.finished"], 16),
    }.items():
        value = {"imageRef": image} if action == "rebuild" else None
        cost = Costs(cloud, lambda a=action, v=value: member.act(server, {a: v}))  # type: ignore[misc]
        assert [name for _, name in cost.messages] == messages, action
        assert cost.statements <= statements, (action, cost.statements)


def test_what_actions_cost(cloud: Cloud) -> None:
    member = cloud.rest()
    server = member.boot("web", imageRef=member.image())
    for action, (messages, statements) in ACTIONS.items():
        value = VALUES.get(action)
        cost = Costs(cloud, lambda a=action, v=value: member.act(server, {a: v}))  # type: ignore[misc]
        assert [name for _, name in cost.messages] == messages, action
        assert cost.statements <= statements, (action, cost.statements)
    cost = Costs(cloud, lambda: member.delete(f"/servers/{server}"))
    assert [name for _, name in cost.messages] == [
        "servers.delete", "tasks.poke", "guests.destroy", "hosted_servers.finished", "host_feed.changed",
    ]  # fmt: skip
    assert cost.statements <= 25


READS = [
    # path, most statements
    ("/servers", 2),
    ("/servers/detail", 2),
    ("/servers/{server}", 2),
    ("/servers/{server}/metadata", 2),
    ("/servers/{server}/metadata/a", 2),
    ("/servers/{server}/ips", 2),
    ("/servers/{server}/tags", 2),
    ("/servers/{server}/topology", 2),
    ("/servers/{server}/os-placement-decision", 3),
    ("/servers/{server}/os-server-password", 2),
    ("/servers/{server}/os-instance-actions", 3),
    ("/servers/{server}/os-instance-actions/{action}", 3),
    ("/flavors", 2),
    ("/flavors/detail", 2),
    ("/flavors/tiny", 2),
    ("/flavors/tiny/os-extra_specs", 2),
    ("/os-keypairs", 2),
    ("/os-keypairs/key", 2),
    ("/limits", 3),
    ("/os-quota-sets/{project}", 3),
    ("/os-quota-sets/{project}/detail", 3),
    ("/os-quota-sets/{project}/defaults", 2),
    ("/os-availability-zone", 2),
    ("/os-server-groups", 3),
    ("/os-server-groups/{group}", 3),
    ("/image/v2/images", 4),
    ("/image/v2/images/{image}", 4),
]
ADMIN_READS = [
    ("/servers/detail?all_tenants=1", 3),
    ("/servers/{server}", 3),
    ("/os-services", 2),
    ("/os-hypervisors", 2),
    ("/os-hypervisors/detail", 2),
    ("/os-availability-zone/detail", 2),
    ("/os-aggregates", 3),
    ("/os-simple-tenant-usage?detailed=1&start=2026-01-01T00:00:00", 2),
    ("/os-simple-tenant-usage/{project}", 2),
    ("/os-instance_usage_audit_log", 3),
    ("/identity/v3/projects", 2),
    ("/identity/v3/users", 2),
]
FREE = ["/extensions", "/"]
"""Answered by the API alone."""


WRITES = [
    # method, path, body, method of the conductor, most statements
    ("PUT", "/servers/{server}/tags", {"tags": ["a", "b"]}, "tags.replace", 5),
    ("PUT", "/servers/{server}/tags/c", None, "tags.add", 5),
    ("DELETE", "/servers/{server}/tags/c", None, "tags.remove", 5),
    ("DELETE", "/servers/{server}/tags", None, "tags.replace", 5),
    ("PUT", "/servers/{server}/metadata", {"metadata": {"a": "b"}}, "servers.set_metadata", 6),
]


def test_parts_of_servers_are_written_by_one_call(cloud: Cloud) -> None:
    member = cloud.rest()
    server = member.boot("web", imageRef=member.image())
    for method, path, body, asked, statements in WRITES:
        cost = Costs(cloud, lambda m=method, p=path, b=body: member(m, p.format(server=server), b))  # type: ignore[misc]
        assert [name for _, name in cost.messages] == [asked], path
        assert cost.statements <= statements, (path, cost.statements)


def test_what_an_event_costs(cloud: Cloud) -> None:
    admin, member = cloud.rest("admin"), cloud.rest()
    server = member.boot("web", imageRef=member.image())
    events = [{"name": "network-changed", "server_uuid": server}] * 50
    cost = Costs(cloud, lambda: admin.post("/os-server-external-events", {"events": events}))
    assert ([name for _, name in cost.messages], cost.statements) == (["external_events.deliver"], 2)


def test_every_read_is_one_call(cloud: Cloud) -> None:
    admin, member = cloud.rest("admin"), cloud.rest()
    image = member.image()
    server = member.boot("web", imageRef=image, metadata={"a": "b"})
    member.made("/os-keypairs", {"keypair": {"name": "key", "public_key": KEY, "type": "ssh"}})
    action = member.get(f"/servers/{server}/os-instance-actions")["instanceActions"][0]["request_id"]
    body = {"server_group": {"name": "g", "policy": "affinity"}}
    group = member.made("/os-server-groups", body)["server_group"]["id"]
    names = {"server": server, "image": image, "action": action, "project": member.project_id, "group": group}
    for caller, rows in ((member, READS), (admin, ADMIN_READS)):
        for path, statements in rows:
            cost = _read(cloud, caller, path.format(**names))
            assert [kind for kind, _ in cost.messages] == ["call"], (path, cost.messages)
            assert cost.statements <= statements, (path, cost.statements)
    for path in FREE:
        cost = _read(cloud, member, path)
        assert (cost.messages, cost.statements) == ([], 0), path


def test_a_page_of_a_thousand_costs_what_a_page_of_one_costs(cloud: Cloud) -> None:
    admin, member = cloud.rest("admin"), cloud.rest()
    server = member.boot("web", imageRef=member.image())
    paths = ["/servers", "/servers/detail", "/servers/detail?status=ACTIVE&limit=1000"]
    small = [_read(cloud, who, path).statements for who in (member, admin) for path in paths]
    _copies(cloud, server, 1200)
    large = [_read(cloud, who, path) for who in (member, admin) for path in paths]
    assert [cost.statements for cost in large] == small
    assert [len(cost.messages) for cost in large] == [1] * len(large)
    assert len(large[1].reply.get_json()["servers"]) == 1000
    assert large[1].reply.get_json()["servers_links"]


def test_a_page_of_flavors_costs_what_one_costs(cloud: Cloud) -> None:
    admin = cloud.rest("admin")
    admin.get("/flavors")  # the first request with a token fetches the keys it is checked with
    small = _read(cloud, admin, "/flavors/detail").statements
    for number in range(40):
        admin.flavor(f"f{number}")
        admin.made(f"/flavors/f{number}/os-extra_specs", {"extra_specs": {"hw:cpu_policy": "shared"}})
    large = _read(cloud, admin, "/flavors/detail")
    assert (large.statements, len(large.reply.get_json()["flavors"])) == (small, 41)


def _read(cloud: Cloud, caller: Rest, path: str) -> Costs:
    return Costs(cloud, lambda: caller("GET", path))


def _copies(cloud: Cloud, server_id: str, count: int) -> None:
    """Rows like that of a server."""
    table = Server.__table__
    with cloud.db.begin() as session:
        row = session.execute(table.select().where(table.c.id == server_id)).mappings().one()  # type: ignore[attr-defined]
        same = {key: value for key, value in row.items() if key not in ("number", "id")}
        session.execute(insert(Server), [{**same, "id": new_id()} for _ in range(count)])
