"""Every route and action for every role: who is let in is what the reference says, and a foreign id looks absent.

The cases are made from the tables of the API. A new route or action needs a line here (its role in the
reference) and a rule in api/policies.py; without them these tests fail.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import orjson
import pytest

from novalite.api.app import routes, rules
from novalite.api.legacy import gone
from novalite.api.microversions import MAX
from novalite.api.openapi import Rules, document, shape_of, template
from novalite.api.routing import Row
from tests.api.instances import least
from tests.api.world import ABSENT, World
from tests.rest import Rest

ROLES = {
    "any": """
        GET /versions/{}
        GET /extensions
        GET /extensions/{}
        GET /flavors
        GET /flavors/detail
        GET /flavors/{}
        GET /limits
        GET /os-availability-zone
        GET /os-quota-sets/{}/defaults
        GET /images
        GET /images/detail
        GET DELETE /images/{}
        GET POST PUT /images/{}/metadata
        GET PUT DELETE /images/{}/metadata/{}
        GET /os-floating-ip-pools
    """,
    "reader": """
        GET /servers
        GET /servers/detail
        GET /servers/{}
        GET /servers/{}/ips
        GET /servers/{}/ips/{}
        GET /servers/{}/metadata
        GET /servers/{}/metadata/{}
        GET /servers/{}/os-instance-actions
        GET /servers/{}/os-instance-actions/{}
        GET /servers/{}/os-interface
        GET /servers/{}/os-interface/{}
        GET /servers/{}/os-server-password
        GET /servers/{}/os-volume_attachments
        GET /servers/{}/os-volume_attachments/{}
        GET /servers/{}/os-security-groups
        GET /servers/{}/shares
        GET /servers/{}/shares/{}
        GET /servers/{}/tags
        GET /servers/{}/tags/{}
        GET /servers/{}/topology
        GET /servers/{}/os-placement-decision
        GET /flavors/{}/os-extra_specs
        GET /flavors/{}/os-extra_specs/{}
        GET /os-quota-sets/{}
        GET /os-quota-sets/{}/detail
        GET /os-server-groups
        GET /os-server-groups/{}
        GET /os-simple-tenant-usage/{}
        GET /os-floating-ips
        GET /os-floating-ips/{}
        GET /os-networks
        GET /os-networks/{}
        GET /os-security-groups
        GET /os-security-groups/{}
        GET /os-snapshots
        GET /os-snapshots/detail
        GET /os-snapshots/{}
        GET /os-tenant-networks
        GET /os-tenant-networks/{}
        GET /os-volumes
        GET /os-volumes/detail
        GET /os-volumes/{}
    """,
    "member": """
        POST /servers
        PUT DELETE /servers/{}
        POST PUT /servers/{}/metadata
        PUT DELETE /servers/{}/metadata/{}
        POST /servers/{}/os-interface
        DELETE /servers/{}/os-interface/{}
        DELETE /servers/{}/os-server-password
        POST /servers/{}/os-volume_attachments
        PUT DELETE /servers/{}/os-volume_attachments/{}
        POST /servers/{}/remote-consoles
        POST /servers/{}/shares
        DELETE /servers/{}/shares/{}
        PUT DELETE /servers/{}/tags
        PUT DELETE /servers/{}/tags/{}
        POST /os-server-groups
        POST /os-placement-decisions
        DELETE /os-server-groups/{}
        POST /os-floating-ips
        DELETE /os-floating-ips/{}
        POST /os-security-group-rules
        DELETE /os-security-group-rules/{}
        POST /os-security-groups
        PUT DELETE /os-security-groups/{}
        POST /os-snapshots
        DELETE /os-snapshots/{}
        POST /os-volumes
        DELETE /os-volumes/{}
    """,
    "manager": """
        POST /servers/{}/migrations/{}/action
        GET /servers/{}/migrations
        DELETE /servers/{}/migrations/{}
        GET /os-migrations
    """,
    "owner": """
        GET POST /os-keypairs
        GET DELETE /os-keypairs/{}
    """,
    "service": """
        POST /os-assisted-volume-snapshots
        DELETE /os-assisted-volume-snapshots/{}
        POST /os-server-external-events
    """,
    "admin": """
        POST /flavors/{}/action
        POST /os-aggregates/{}/action
        POST /os-baremetal-nodes/{}/action
        GET /servers/{}/diagnostics
        GET /servers/{}/migrations/{}
        POST /flavors
        PUT DELETE /flavors/{}
        POST /flavors/{}/os-extra_specs
        PUT DELETE /flavors/{}/os-extra_specs/{}
        GET /flavors/{}/os-flavor-access
        GET /os-availability-zone/detail
        GET PUT /os-quota-class-sets/{}
        PUT DELETE /os-quota-sets/{}
        GET /os-simple-tenant-usage
        GET POST /os-aggregates
        GET PUT DELETE /os-aggregates/{}
        POST /os-aggregates/{}/images
        GET /os-console-auth-tokens/{}
        GET /os-hosts
        GET PUT /os-hosts/{}
        GET /os-hosts/{}/reboot
        GET /os-hosts/{}/shutdown
        GET /os-hosts/{}/startup
        GET /os-hypervisors
        GET /os-hypervisors/detail
        GET /os-hypervisors/statistics
        GET /os-hypervisors/{}
        GET /os-hypervisors/{}/search
        GET /os-hypervisors/{}/servers
        GET /os-hypervisors/{}/uptime
        GET /os-instance_usage_audit_log
        GET /os-instance_usage_audit_log/{}
        GET /os-services
        PUT DELETE /os-services/{}
        GET POST /os-baremetal-nodes
        GET DELETE /os-baremetal-nodes/{}
    """,
}
"""Who may use which route (API reference, column "Role")."""

ACTION_ROLES = {
    "migrate": "manager", "os-migrateLive": "manager", "evacuate": "admin", "os-resetState": "admin",
    "injectNetworkInfo": "admin", "shelveOffload": "admin", "force_complete": "manager", "add_host": "admin",
    "remove_host": "admin", "set_metadata": "admin", "addTenantAccess": "admin", "removeTenantAccess": "admin",
}  # fmt: skip
"""Actions that ask for more than the role member (API reference, "Server actions")."""

OPEN = {"resetNetwork", "os-getRDPConsole"}
"""Actions that answer 410 to everybody."""
EXAMPLES: dict[str, Any] = {
    "POST /os-keypairs": {"keypair": {"name": "made", "public_key": "no key"}},
    "POST /flavors/{}/action": {"addTenantAccess": {"tenant": "absent"}},
    "POST /os-aggregates/{}/action": {"add_host": {"host": "absent"}},
    "POST /servers/{}/remote-consoles": {"remote_console": {"protocol": "vnc", "type": "novnc"}},
    "PUT /servers/{}/metadata/{}": {"meta": {"a": "c"}},
}
"""Bodies where the least that fits the schema would not do."""

RANKS = {"any": 0, "owner": 0, "reader": 1, "member": 2, "manager": 3, "admin": 4, "service": 5}
CALLERS = ("reader", "member", "manager", "admin", "service")
OWNED = ("servers", "os-volumes_boot", "os-server-groups", "os-keypairs", "os-quota-sets", "os-simple-tenant-usage")
"""First words of paths that lead to what belongs to a project or user."""


def _gone(row: Row) -> bool:
    return row in gone.ROUTES.rows


def name_of(row: Row) -> str:
    """`GET /servers/{}`"""
    return f"{row.method} {shape_of(row.path)}"


def _roles() -> dict[str, str]:
    found = {}
    for role, text in ROLES.items():
        for line in text.strip().splitlines():
            *methods, path = line.split()
            found.update({f"{method} {path}": role for method in methods})
    return found


ROLE_OF = _roles()


def role_of(row: Row, action: str | None = None) -> str | None:
    """The role a route or an action asks for; None when the table does not know it."""
    if action is not None:
        return ACTION_ROLES.get(action, "member")
    found = ROLE_OF.get(name_of(row))
    if found is None and row.path.startswith("/os-volumes_boot"):  # another name of /servers
        found = ROLE_OF.get(name_of(row).replace("/os-volumes_boot", "/servers", 1))
    return found


def may(caller: str, role: str) -> bool:
    """Whether a caller has at least that role where it belongs."""
    if role == "service":
        return caller in ("service", "admin")
    return RANKS["any" if caller == "service" else caller] >= RANKS[role]


# --- cases -------------------------------------------------------------------------------------


@lru_cache(maxsize=32)
def document_of(minor: int) -> Any:
    return orjson.loads(orjson.dumps(document(routes(), rules(), minor)))


def _path(row: Row, minor: int) -> Any:
    same = {shape_of(path): item for path, item in document_of(minor)["paths"].items()}
    return same[shape_of(row.path)][row.method.lower()]


def cases() -> Iterator[tuple[Row, str | None, int, Any]]:
    """(route, action, minor version, body) of everything there is, at its last version."""
    for row in routes():
        minor = min(row.until or MAX[1], MAX[1])
        told = _path(row, minor)
        models = document_of(minor)["components"]["schemas"]
        if row.actions is not None:
            for name, action in sorted(row.actions.rows.items()):
                last = min(action.until or MAX[1], minor)
                bodies = _path(row, last)["requestBody"]["content"]["application/json"]["schema"]["oneOf"]
                (schema,) = [one for one in bodies if one["title"] == name]
                yield row, name, last, least(schema, document_of(last)["components"]["schemas"])
            continue
        body = None
        if "requestBody" in told:
            schema = told["requestBody"]["content"]["application/json"].get("schema", {})
            body = EXAMPLES.get(name_of(row), least(schema, models))
        yield row, None, minor, body


CASES = tuple(cases())


def test_every_route_and_action_has_a_role_and_a_rule() -> None:
    guarded, known = Rules(rules()), {rule.name for rule in rules()}
    for row, name, _, _ in CASES:
        if _gone(row) or name in OPEN or row.path.startswith("/versions/"):
            continue
        said = name_of(row) + (f" {name}" if name else "")
        assert role_of(row, name) is not None, f"{said}: the table of roles does not know it"
        found = guarded.of_action(row, row.actions.rows[name]) if name else guarded.of_route(row)
        assert found, f"{said}: no rule in api/policies.py names it"
        assert set(found) <= known, f"{said}: {found}"


# --- a cloud for all ---------------------------------------------------------------------------


class Matrix:
    """Callers and real ids."""

    def __init__(self, world: World) -> None:
        self.world, self.http = world, world.member.http
        rest = world.cloud.rest
        self.callers: dict[str, Rest] = {
            "member": world.member,
            "admin": world.admin,
            "stranger": world.stranger,
            "reader": rest("reader", "member", "reader"),
            "manager": rest("manager", "member", "manager"),
            "service": rest("service", "service", "service"),
        }
        aggregate = world.admin.made("/os-aggregates", {"aggregate": {"name": "a"}})["aggregate"]["id"]
        group = {"server_group": {"name": "g", "policy": "soft-affinity"}}
        made = world.member.post("/os-server-groups", group)
        self.real = {
            "servers": world.names["server"],
            "os-volumes_boot": world.names["server"],
            "flavors": "tiny",
            "os-keypairs": "key",
            "os-quota-sets": world.names["project"],
            "os-simple-tenant-usage": world.names["project"],
            "os-quota-class-sets": "default",
            "os-aggregates": str(aggregate),
            "os-server-groups": made.get_json()["server_group"]["id"] if made.status_code == 200 else ABSENT,
            "os-instance-actions": world.names["request"],
            "metadata": "a",
            "os-hosts": "alpha",
            "versions": "v2.1",
            "extensions": "os-consoles",
        }

    def path(self, row: Row, real: bool) -> str:
        """The path of a route with ids of what there is; or with the first one of what there is not."""
        parts = template(row.path).split("/")
        for at, part in enumerate(parts):
            if part.startswith("{"):
                absent = "999999" if parts[at - 1] == "os-aggregates" else ABSENT
                there = real or parts[at - 1] == "os-quota-class-sets"
                parts[at] = self.real.get(parts[at - 1], absent) if there else absent
                real = True
        return "/".join(parts)

    def ask(self, caller: str, row: Row, path: str, minor: int, body: Any) -> Any:
        """One request."""
        return self.callers[caller](row.method, path, body, version=f"2.{minor}")


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Matrix]:
    """One cloud for every cell; those who may use it may change it."""
    made = World(tmp_path_factory.mktemp("matrix"))
    yield Matrix(made)
    made.close()


def _said(row: Row, action: str | None, reply: Any) -> str:
    return f"{name_of(row)} {action or ''}: {reply.status_code} {reply.text[:160]}"


def test_whoever_has_no_token_learns_nothing(matrix: Matrix) -> None:
    nobody = Rest(matrix.http, None)
    for row, action, minor, body in CASES:
        reply = nobody(row.method, matrix.path(row, True), body, version=f"2.{minor}")
        assert reply.status_code == 401, _said(row, action, reply)


def test_another_project_cannot_tell_what_is_there(matrix: Matrix) -> None:
    before, wrong = matrix.world.holds(), []
    for row, action, minor, body in CASES:
        if row.path.split("/")[1] not in OWNED or "<" not in row.path or role_of(row) == "any":
            continue
        answers = []
        for real in (True, False):
            path = matrix.path(row, real)
            reply = matrix.ask("stranger", row, path, minor, body)
            text = reply.text
            for part in path.split("/")[2:]:
                text = text.replace(part, "…") if len(part) > 20 else text.replace(f" {part} ", " … ")
            answers.append((reply.status_code, text))
        if answers[0] != answers[1] or answers[0][0] not in (403, 404, 410):
            wrong.append((name_of(row), action, *answers))
    assert not wrong, "\n".join(map(str, wrong))
    assert matrix.world.holds() == before


@pytest.mark.parametrize("caller", CALLERS)
def test_a_role_may_do_what_the_reference_says(matrix: Matrix, caller: str) -> None:
    before, wrong = matrix.world.holds(), []
    for row, action, minor, body in CASES:
        role = role_of(row, action)
        if role is None or _gone(row) or action in OPEN or may(caller, role):
            continue
        reply = matrix.ask(caller, row, matrix.path(row, True), minor, body)
        if reply.status_code != 403 or "Policy doesn't allow" not in reply.text:
            wrong.append(f"{caller} must not: {_said(row, action, reply)}")
    if matrix.world.holds() != before:
        wrong.append("a refused request changed something")
    for row, action, minor, body in CASES:
        role = role_of(row, action)
        if role is None or not may(caller, role):
            continue
        reply = matrix.ask(caller, row, matrix.path(row, row.method == "GET"), minor, body)
        if row.path.startswith("/images") and "_image to be performed" in reply.text:
            continue  # the proxy lets everybody in, and the image service has the last word
        if reply.status_code in (401, 403, 500, 503):
            wrong.append(f"{caller} may: {_said(row, action, reply)}")
        if (_gone(row) or action in OPEN) and reply.status_code != 410:
            wrong.append(f"gone: {_said(row, action, reply)}")
    assert not wrong, "\n".join(wrong)


def test_what_is_gone_is_gone_for_everybody(matrix: Matrix) -> None:
    for row in gone.ROUTES.rows:
        for caller in matrix.callers:
            reply = matrix.ask(caller, row, matrix.path(row, False), 104, None)
            assert reply.status_code == 410, _said(row, None, reply)
