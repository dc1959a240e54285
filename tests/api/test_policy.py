"""The policy table against the routes, and what oslo.policy makes of it."""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from novalite.api import app
from novalite.api.policies import RULES
from novalite.api.policy import Policy, Rule
from novalite.api.servers.actions import ACTIONS
from novalite.api.servers.actions.power import PLAIN
from novalite.conf.load import for_tests
from novalite.context import Context

POLICY = Policy(for_tests(), RULES)
MEMBER = Context(user_id="u", project_id="p", roles=("member",))


def test_every_route_and_action_names_a_rule_that_exists() -> None:
    names = {rule.name for rule in app.rules()}  # those of the companions too: old routes stand in for theirs
    rows = [row for module in app._present(app.NOUNS, "novalite.api.") for row in module.ROUTES.rows]
    used = {row.policy for row in rows} | {action.policy for action in ACTIONS.rows.values()}
    used |= {rule for _, rule in PLAIN.values()}
    assert used - {None} <= names


def test_every_rule_is_explained_once() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert all(rule.description.endswith(".") for rule in RULES)


@pytest.mark.parametrize(
    ("rule", "roles", "project", "allowed"),
    [
        ("os_compute_api:servers:show", ("reader",), "p", True),
        ("os_compute_api:servers:show", ("reader",), "other", False),
        ("os_compute_api:servers:show", (), "p", False),
        ("os_compute_api:servers:delete", ("reader",), "p", False),
        ("os_compute_api:servers:delete", ("member",), "p", True),
        ("os_compute_api:servers:delete", ("admin",), "other", True),
        ("os_compute_api:os-migrate-server:migrate", ("member",), "p", False),
        ("os_compute_api:os-migrate-server:migrate", ("manager",), "p", True),
        ("os_compute_api:os-evacuate", ("manager",), "p", False),
        ("os_compute_api:os-evacuate", ("admin",), "p", True),
        ("os_compute_api:limits", (), "other", True),
    ],
)
def test_defaults(rule: str, roles: tuple[str, ...], project: str, allowed: bool) -> None:
    ctx = Context(user_id="u", project_id="p", roles=roles)
    for _ in range(2):  # the second answer is a remembered one
        assert POLICY.allows(rule, ctx, {"project_id": project, "user_id": "other"}) is allowed


def test_which_rules_read_the_target() -> None:
    assert POLICY.looks_at_target("os_compute_api:os-keypairs:show")
    assert not POLICY.looks_at_target("os_compute_api:servers:show")


def test_when_the_target_need_not_be_known() -> None:
    admin = Context(user_id="a", project_id="p", roles=("admin",))
    assert POLICY.passes_anyway("os_compute_api:servers:delete", admin)
    assert not POLICY.passes_anyway("os_compute_api:servers:delete", MEMBER), "only in his project"
    rules = {
        "os_compute_api:servers:delete": "rule:context_is_admin and not project_id:%(project_id)s",
        "os_compute_api:servers:show": "rule:context_is_admin and user_id:%(user_id)s",
        "os_compute_api:servers:update": "rule:os_compute_api:servers:delete",
    }
    overridden = Policy(for_tests(), [replace(rule, check=rules.get(rule.name, rule.check)) for rule in RULES])
    for name in ("delete", "show", "update"):
        assert not overridden.passes_anyway(f"os_compute_api:servers:{name}", admin), name
    assert overridden.passes_anyway("os_compute_api:servers:start", admin)


def test_owners_handle_their_keypairs() -> None:
    rule = "os_compute_api:os-keypairs:delete"
    assert POLICY.allows(rule, MEMBER, {"user_id": "u"})
    assert not POLICY.allows(rule, MEMBER, {"user_id": "somebody"})
    assert POLICY.allows(rule, Context(user_id="a", roles=("admin",)), {"user_id": "somebody"})


def test_a_rule_may_ask_a_server_and_others_do_not_load_what_that_takes() -> None:
    asked: list[str] = []

    class Oracle(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"True" if "yes" in asked[-1] else b"False")

        def log_message(self, *_: object) -> None:
            """Not into the tests' output."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Oracle) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        check = f"http://127.0.0.1:{server.server_port}/may"
        policy = Policy(for_tests(), [Rule("ask", check, "Asked elsewhere.")])
        assert policy.allows("ask", MEMBER, {"name": "yes"})
        assert not policy.allows("ask", MEMBER, {"name": "no"})
        server.shutdown()
    assert len(asked) == 2
    program = (
        "import sys; from tests.api.test_policy import *; assert POLICY.allows('os_compute_api:limits', MEMBER);"
        "sys.exit('requests' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
