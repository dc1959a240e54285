"""Who is not let in, over a whole cloud: other projects, tokens of no project, tokens that are no good."""

from __future__ import annotations

from typing import Any

import pytest

from novalite.api.servers.actions import ACTIONS
from novalite.identity.claims import Claims, Named, Scoped, now_us
from novalite.identity.tokens import Signer, new_private_key
from tests.api.world import ABSENT, World, new, refused
from tests.rest import Rest

# --- other projects --------------------------------------------------------------------------

VERBS: list[tuple[str, str, Any, str]] = [
    ("GET", "", None, "latest"),
    ("PUT", "", {"server": {"name": "mine"}}, "latest"),
    ("DELETE", "", None, "latest"),
    ("GET", "/metadata", None, "latest"),
    ("GET", "/metadata/a", None, "latest"),
    ("POST", "/metadata", {"metadata": {"a": "c"}}, "latest"),
    ("PUT", "/metadata", {"metadata": {}}, "latest"),
    ("PUT", "/metadata/a", {"meta": {"a": "c"}}, "latest"),
    ("DELETE", "/metadata/a", None, "latest"),
    ("GET", "/ips", None, "latest"),
    ("GET", "/tags", None, "latest"),
    ("PUT", "/tags", {"tags": []}, "latest"),
    ("PUT", "/tags/blue", None, "latest"),
    ("DELETE", "/tags/blue", None, "latest"),
    ("DELETE", "/tags", None, "latest"),
    ("GET", "/topology", None, "latest"),
    ("GET", "/os-placement-decision", None, "latest"),
    ("GET", "/os-server-password", None, "latest"),
    ("DELETE", "/os-server-password", None, "latest"),
    ("GET", "/os-instance-actions", None, "latest"),
    ("GET", "/os-instance-actions/{request}", None, "latest"),
]
VALUES: dict[str, Any] = {
    "reboot": {"type": "HARD"}, "os-getConsoleOutput": {}, "lock": {}, "changePassword": {"adminPass": "x"},
    "os-resetState": {"state": "active"}, "rebuild": {"imageRef": "{image}"}, "resize": {"flavorRef": "wide"},
    "addSecurityGroup": {"name": "default"}, "removeSecurityGroup": {"name": "default"},
    "addFixedIp": {"networkId": ABSENT}, "removeFixedIp": {"address": "192.0.2.1"},
    "addFloatingIp": {"address": "192.0.2.1"}, "removeFloatingIp": {"address": "192.0.2.1"},
    "os-getVNCConsole": {"type": "novnc"}, "os-getSPICEConsole": {"type": "spice-html5"},
    "os-getSerialConsole": {"type": "serial"}, "createImage": {"name": "copy"},
    "createBackup": {"name": "copy", "backup_type": "daily", "rotation": 1}, "evacuate": {},
    "os-migrateLive": {"host": None, "block_migration": "auto"},
}  # fmt: skip
ADMINS_ONLY = (
    "os-resetState", "injectNetworkInfo", "shelveOffload", "migrate", "os-migrateLive", "evacuate",
)  # fmt: skip
"""Refused before anybody looks for the server."""
VERBS += [
    ("POST", "/action", {name: VALUES.get(name)}, f"2.{row.until or 104}")
    for name, row in ACTIONS.rows.items()
]


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: f"{verb[0]} {verb[1]} {verb[2]}")
def test_a_server_of_another_project_does_not_exist(world: World, verb: tuple[str, str, Any, str]) -> None:
    method, path, body, version = verb
    answers = []
    for server_id in (world.names["server"], ABSENT):
        asked = f"/servers/{server_id}{world.fill(path)}"
        before = world.holds()
        reply = world.stranger(method, asked, world.fill(body), version=version)
        assert world.holds() == before
        answers.append((reply.status_code, reply.text.replace(server_id, "…")))
    assert answers[0] == answers[1], "an id tells whether a server exists"
    refusals = (403,) if isinstance(body, dict) and body.keys() & set(ADMINS_ONLY) else (404, 410)
    assert answers[0][0] in refusals, answers[0]


@pytest.mark.parametrize("scope", [{"domain": {"id": "default"}}, {"system": {"all": True}}, "unscoped"])
def test_a_token_of_no_project_reaches_no_server(world: World, scope: Any) -> None:
    """Being a member of a domain or of the system does not make servers of every project one's own."""
    admin, stranger = world.admin, world.stranger
    role = admin.get("/identity/v3/roles?name=member")["roles"][0]["id"]
    for place in ("domains/default", "system"):
        path = f"/identity/v3/{place}/users/{stranger.user_id}/roles/{role}"
        assert admin("PUT", path).status_code == 204
    user = {"name": "stranger", "domain": {"id": "default"}, "password": "stranger"}
    who = {"methods": ["password"], "password": {"user": user}}
    asked = {"auth": {"identity": who, "scope": scope}}
    reply = Rest(stranger.http, None).post("/identity/v3/auth/tokens", asked)
    nowhere = Rest(stranger.http, reply.headers["X-Subject-Token"])
    server = world.names["server"]
    for method, path, body in (
        ("GET", "/servers", None),
        ("GET", "/servers/detail", None),
        ("GET", f"/servers/{server}", None),
        ("PUT", f"/servers/{server}", {"server": {"name": "mine"}}),
        ("DELETE", f"/servers/{server}", None),
        ("POST", f"/servers/{server}/action", {"os-stop": None}),
        ("POST", f"/servers/{server}/action", {"lock": None}),
        ("POST", f"/servers/{server}/action", {"os-getConsoleOutput": {}}),
        ("GET", f"/servers/{server}/metadata", None),
        ("GET", f"/servers/{server}/os-instance-actions", None),
        ("POST", "/servers", world.fill(new())),
        ("GET", "/limits", None),
        ("GET", f"/image/v2/images/{world.names['image']}", None),
    ):
        refused(world, 403, "Policy doesn't allow", lambda m=method, p=path, b=body: nowhere(m, p, b))


# --- tokens ----------------------------------------------------------------------------------


def _signed(world: World, signer: Any, lives: float) -> str:
    """A token of the member that ends in `lives` seconds."""
    member, home = world.member, Named("default", "Default")
    user = Scoped(member.user_id, "member", home.id, home.name)
    project = Scoped(member.project_id, "member", home.id, home.name)
    now = now_us()
    end = now + int(lives * 1_000_000)
    return str(signer.issue(Claims(min(now, end - 1), end, user, project, roles=(Named("r", "member"),))))


def _tokens(world: World) -> dict[str, str | None]:
    good, signer = world.member.token or "", world.cloud.conductors[0].manager.env.signer
    key = new_private_key()
    return {
        "none": None,
        "empty": "",
        "nonsense": "gAAAAA",
        "long": "A" * 20_000,
        "one letter changed": good[:40] + ("A" if good[40] != "A" else "B") + good[41:],
        "cut short": good[:-4],
        "signed by somebody else": _signed(world, Signer(lambda: key), 600),
        "expired": _signed(world, signer, -1),
    }


@pytest.mark.parametrize(
    "kind",
    ["none", "empty", "nonsense", "long", "one letter changed", "cut short", "signed by somebody else",
     "expired"],
)  # fmt: skip
def test_tokens_that_are_not_good(world: World, kind: str) -> None:
    caller = Rest(world.member.http, _tokens(world)[kind])
    good = _signed(world, world.cloud.conductors[0].manager.env.signer, 60)
    assert Rest(world.member.http, good).get("/flavors"), "what is made here could be good"
    for method, path, body in (("GET", "/servers", None), ("POST", "/servers", world.fill(new()))):
        words = "The request you have made requires authentication."
        reply = refused(world, 401, words, lambda m=method, p=path, b=body: caller(m, p, b))  # type: ignore[misc]
        assert reply.headers["WWW-Authenticate"].startswith("Keystone uri=")


def test_a_token_for_an_image_opens_nothing_else(world: World) -> None:
    signer = world.cloud.conductors[0].manager.env.signer
    caller = Rest(world.member.http, signer.image_token(world.names["image"], 600))
    for path in ("/servers", "/flavors", "/identity/v3/projects", "/image/v2/images"):
        refused(world, 403, "opens the bytes of one image", lambda p=path: caller("GET", p))  # type: ignore[misc]


def test_a_token_that_was_given_back(world: World) -> None:
    short = world.cloud.rest("leaver")
    assert short.get("/servers") == {"servers": []}
    gone = short("DELETE", "/identity/v3/auth/tokens", headers={"X-Subject-Token": short.token or ""})
    assert gone.status_code == 204
    refused(world, 401, "requires authentication", lambda: short("GET", "/servers"))
