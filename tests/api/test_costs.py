"""docs/costs.md: how many messages and SQL statements every route costs, counted, not claimed.

`pytest tests/api/test_costs.py --regenerate` writes the table again; review the difference.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from novalite.api.app import routes
from novalite.api.legacy import gone
from novalite.api.microversions import MAX
from novalite.api.openapi import shape_of
from tests.api.test_policy_matrix import Matrix, role_of
from tests.api.world import KEY, World
from tests.served import ServedCloud

TABLE = Path(__file__).parents[2] / "docs" / "costs.md"
HEAD = """# What requests cost

Messages on the bus and SQL statements of every route at its newest microversion, until everything the request
started is done: an action's line holds its whole task, with the host's report and the scheduler's news. Counted
on a cloud in one process with two hosts and SQLite, where each transaction says one BEGIN more. Made by
`pytest tests/api/test_costs.py --regenerate`; the test fails when it is no longer true.

| Request | Messages | Statements |
|---|---|---|
"""
S = "/servers/{server}"
WRITES: list[tuple[str, str, str, Any]] = [
    # caller, method, path, body; in the order in which they are asked
    ("member", "POST", "/servers", {"server": {"name": "new", "flavorRef": "tiny", "imageRef": "{image}",
                                               "networks": "none"}}),
    ("member", "PUT", S, {"server": {"name": "renamed"}}),
    ("member", "POST", f"{S}/metadata", {"metadata": {"b": "c"}}),
    ("member", "PUT", f"{S}/metadata/b", {"meta": {"b": "d"}}),
    ("member", "DELETE", f"{S}/metadata/b", None),
    ("member", "PUT", f"{S}/metadata", {"metadata": {"a": "b"}}),
    ("member", "PUT", f"{S}/tags", {"tags": ["x", "y"]}),
    ("member", "PUT", f"{S}/tags/z", None),
    ("member", "DELETE", f"{S}/tags/z", None),
    ("member", "DELETE", f"{S}/tags", None),
    *(("member", "POST", f"{S}/action", body) for body in (
        {"os-getConsoleOutput": {}}, {"lock": None}, {"unlock": None}, {"os-stop": None}, {"os-start": None},
        {"reboot": {"type": "SOFT"}}, {"reboot": {"type": "HARD"}}, {"pause": None}, {"unpause": None},
        {"suspend": None}, {"resume": None}, {"rescue": None}, {"unrescue": None},
        {"createImage": {"name": "snapshot"}},
        {"createBackup": {"name": "backup", "backup_type": "daily", "rotation": 1}},
        {"changePassword": {"adminPass": "secret"}}, {"rebuild": {"imageRef": "{image}"}},
        {"resize": {"flavorRef": "wider"}}, {"confirmResize": None}, {"resize": {"flavorRef": "tiny"}},
        {"revertResize": None}, {"trigger_crash_dump": None}, {"shelve": None}, {"unshelve": None},
    )),
    ("manager", "POST", f"{S}/action", {"migrate": None}),
    ("member", "POST", f"{S}/action", {"confirmResize": None}),
    ("manager", "POST", f"{S}/action", {"migrate": None}),
    ("member", "POST", f"{S}/action", {"revertResize": None}),
    *(("admin", "POST", f"{S}/action", body) for body in (
        {"injectNetworkInfo": None}, {"shelve": None}, {"shelveOffload": None}, {"unshelve": None},
        {"os-resetState": {"state": "error"}}, {"os-resetState": {"state": "active"}},
    )),
    ("member", "DELETE", f"{S}/os-server-password", None),
    ("member", "POST", f"{S}/remote-consoles", {"remote_console": {"protocol": "vnc", "type": "novnc"}}),
    ("member", "DELETE", S, None),
    ("member", "POST", "/os-server-groups", {"server_group": {"name": "h", "policy": "affinity"}}),
    ("member", "DELETE", "/os-server-groups/{group}", None),
    ("member", "POST", "/os-keypairs", {"keypair": {"name": "second", "public_key": KEY}}),
    ("member", "DELETE", "/os-keypairs/second", None),
    ("admin", "POST", "/flavors", {"flavor": {"name": "n", "id": "n", "ram": 64, "vcpus": 1, "disk": 1,
                                              "os-flavor-access:is_public": False}}),
    ("admin", "PUT", "/flavors/n", {"flavor": {"description": "new"}}),
    ("admin", "POST", "/flavors/n/os-extra_specs", {"extra_specs": {"hw:pmu": "yes"}}),
    ("admin", "PUT", "/flavors/n/os-extra_specs/hw:pmu", {"hw:pmu": "no"}),
    ("admin", "DELETE", "/flavors/n/os-extra_specs/hw:pmu", None),
    ("admin", "POST", "/flavors/n/action", {"addTenantAccess": {"tenant": "{project}"}}),
    ("admin", "POST", "/flavors/n/action", {"removeTenantAccess": {"tenant": "{project}"}}),
    ("admin", "DELETE", "/flavors/n", None),
    ("admin", "PUT", "/os-quota-sets/{project}", {"quota_set": {"cores": 30}}),
    ("admin", "DELETE", "/os-quota-sets/{project}", None),
    ("admin", "PUT", "/os-quota-class-sets/default", {"quota_class_set": {"cores": 30}}),
    ("admin", "POST", "/os-aggregates", {"aggregate": {"name": "b"}}),
    ("admin", "PUT", "/os-aggregates/{aggregate}", {"aggregate": {"name": "c"}}),
    ("admin", "POST", "/os-aggregates/{aggregate}/action", {"add_host": {"host": "alpha"}}),
    ("admin", "POST", "/os-aggregates/{aggregate}/action", {"set_metadata": {"metadata": {"ssd": "true"}}}),
    ("admin", "POST", "/os-aggregates/{aggregate}/images", {"cache": [{"id": "{image}"}]}),
    ("admin", "POST", "/os-aggregates/{aggregate}/action", {"remove_host": {"host": "alpha"}}),
    ("admin", "DELETE", "/os-aggregates/{aggregate}", None),
    ("admin", "PUT", "/os-services/{service}", {"status": "disabled"}),
    ("admin", "PUT", "/os-services/{service}", {"status": "enabled"}),
    ("admin", "POST", "/os-server-external-events", {"events": [
        {"name": "network-changed", "server_uuid": "{server}", "status": "completed"}]}),
]  # fmt: skip
_OF_MEMBERS = ("any", "owner", "reader", "member")
"""Roles (of the policy matrix) whose routes a member asks; the others are for admins."""


class Counter:
    """Asks and counts."""

    def __init__(self, world: World) -> None:
        self.matrix, self.cloud = Matrix(world), world.cloud
        admin = world.admin
        admin.flavor("wider", ram=128)
        services = admin.get("/os-services?binary=nova-compute")["services"]
        hypervisors = admin.get("/os-hypervisors")["hypervisors"]
        real = self.matrix.real
        admin.made("/flavors/tiny/os-extra_specs", {"extra_specs": {"hw:pmu": "no"}})
        real |= {
            "os-extra_specs": "hw:pmu",
            "os-services": services[0]["id"],
            "os-hypervisors": hypervisors[0]["id"],
            "os-hosts": "alpha",
        }
        self.names = {
            **world.names, "group": real["os-server-groups"], "aggregate": real["os-aggregates"],
            "service": real["os-services"],
        }  # fmt: skip
        self.lines: list[str] = []
        self.unmeasured: list[str] = []
        for caller in self.matrix.callers.values():
            caller("GET", "/flavors")  # the first request of a process fetches the keys of tokens

    def ask(self, caller: str, method: str, path: str, body: Any, minor: int, named: str) -> None:
        """One request, as one line."""
        databases = [self.cloud.db, *self.cloud.databases]
        before = sum(db.statements for db in databases)
        with self.cloud.bus.recording() as sent:
            reply = self.matrix.callers[caller](method, path, body, version=f"2.{minor}")
        cost = sum(db.statements for db in databases) - before
        if reply.status_code < 300:
            names = [f"{e.kind.value} {e.name}" for e in sent]
            said = names[0] if len(names) == 1 else f"{len(names)}: {', '.join(names)}" if names else "none"
            self.lines.append(f"| `{named}` | {said} | {cost} |")
        else:
            self.unmeasured.append(f"`{named}` ({reply.status_code})")

    def reads(self) -> Iterator[None]:
        """Every GET, with ids of what there is."""
        for row in sorted(routes(), key=lambda row: row.path):
            if row.method != "GET" or row in gone.ROUTES.rows or row.path.startswith("/os-volumes_boot"):
                continue
            minor = min(row.until or MAX[1], MAX[1])
            shape = f"GET {shape_of(row.path)}"
            caller = "member" if role_of(row) in _OF_MEMBERS else "admin"
            path = self.matrix.path(row, True)
            self.ask(caller, "GET", path, None, minor, shape.replace("{}", "{id}"))
            yield

    def writes(self) -> Iterator[None]:
        """The script of changes."""
        for caller, method, path, body in WRITES:
            filled = path
            for name, value in self.names.items():
                filled = filled.replace("{" + name + "}", value)
            named = f"{method} {path}" + (f" {next(iter(body))}" if path.endswith("/action") else "")
            self.ask(caller, method, filled, self.matrix.world.fill(body), MAX[1], named)
            yield

    def table(self) -> str:
        """The page."""
        list(self.reads())
        list(self.writes())
        more = "\n## Not measured\n\nThis cloud has no such service, or no such thing: {}.\n"
        return HEAD + "\n".join(self.lines) + "\n" + more.format(", ".join(sorted(set(self.unmeasured))))


@pytest.fixture
def counter(tmp_path: Path) -> Iterator[Counter]:
    """On a cloud of its own: numbers depend on what there is."""
    world = World(tmp_path, ServedCloud)
    yield Counter(world)
    world.close()


def test_the_table_of_costs_is_true(counter: Counter, request: pytest.FixtureRequest) -> None:
    made = counter.table()
    if request.config.getoption("--regenerate"):
        TABLE.write_text(made)
    assert TABLE.exists() and made == TABLE.read_text(), (
        "costs changed; if that is meant: pytest --regenerate"
    )
