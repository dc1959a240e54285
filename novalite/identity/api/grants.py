"""Roles given to users and groups on projects, domains and the system; role assignments; implied roles."""

from __future__ import annotations

from functools import partial
from typing import Any

from flask import Blueprint, Response, request

from novalite.api.policy import authorize
from novalite.errors import NotFound
from novalite.identity.api.http import answer, caller, flag, identity, link, listing, nothing, peer
from novalite.identity.api.records import with_links
from novalite.objects.base import Record
from novalite.objects.identity import AssignmentQuery, Grant

_VERBS = {"PUT": "create", "HEAD": "check", "GET": "check", "DELETE": "revoke"}
_INHERITED = "/inherited_to_projects"


def add_routes(bp: Blueprint) -> None:
    """…/{users or groups}/<id>/roles below projects, domains and the system; lists; implied roles."""
    for actor in ("user", "group"):
        for target in ("project", "domain", "system"):
            place = "system" if target == "system" else f"{target}s/<target_id>"
            path = f"{place}/{actor}s/<actor_id>/roles"
            name = f"{target}_{actor}"
            _add(bp, f"/v3/{path}", name, Grant(actor=actor, actor_id="", target=target, target_id="all"))
            if target != "system":
                handed = Grant(actor=actor, actor_id="", target=target, target_id="", inherited=True)
                _add(bp, f"/v3/OS-INHERIT/{path}", f"inherited_{name}", handed, _INHERITED)
    bp.add_url_rule("/v3/role_assignments", "role_assignments", assignments)
    bp.add_url_rule("/v3/role_inferences", "role_inferences", inferences)
    implies = "/v3/roles/<role_id>/implies"
    bp.add_url_rule(implies, "implied_roles", implied)
    for method, view in (("GET", implied_one), ("PUT", imply), ("DELETE", unimply)):
        bp.add_url_rule(f"{implies}/<implied_id>", f"{method}_implied", view, methods=[method])


def _add(bp: Blueprint, path: str, name: str, grant: Grant, tail: str = "") -> None:
    bp.add_url_rule(path + tail, f"grants_{name}", partial(given, grant))
    one = f"{path}/<role_id>{tail}"
    bp.add_url_rule(one, f"grant_{name}", partial(grant_one, grant), methods=["GET", "PUT", "DELETE"])


def _filled(grant: Grant, actor_id: str, target_id: str | None) -> Grant:
    change: dict[str, Any] = {"actor_id": actor_id, "target_id": target_id or "all"}
    return grant.model_copy(update=change)


def given(grant: Grant, actor_id: str, target_id: str | None = None) -> Response:
    """Roles given in exactly this way."""
    authorize("identity:list_grants", {})
    found = peer().granted(caller(), _filled(grant, actor_id, target_id))
    return listing("roles", [with_links("role", role) for role in found])


def grant_one(grant: Grant, actor_id: str, role_id: str, target_id: str | None = None) -> Response:
    """Give, take back, or ask for one role: 204, or 404."""
    authorize(f"identity:{_VERBS[request.method]}_grant", {})
    asked, ctx = _filled(grant, actor_id, target_id), caller()
    if request.method == "PUT":
        peer().grant(ctx, asked, role_id)
    elif request.method == "DELETE":
        peer().ungrant(ctx, asked, role_id)
        identity().changed()
    elif all(role["id"] != role_id for role in peer().granted(ctx, asked)):
        raise NotFound(f"The {asked.actor} {actor_id} does not have role {role_id} there.")
    return nothing()


# --- all of them -----------------------------------------------------------------------------------


def assignments() -> Response:
    """Who has which role where."""
    query, ctx = _assignment_query(), caller()
    facts = {"user_id": query.user_id or "", "domain_id": query.domain_id or ""}
    authorize("identity:list_role_assignments", {k: v for k, v in facts.items() if v})
    found = peer().assignments(ctx, query)
    return listing("role_assignments", [item | {"links": _assignment_links(item)} for item in found])


def _assignment_query() -> AssignmentQuery:
    args = request.args
    return AssignmentQuery(
        user_id=args.get("user.id"),
        group_id=args.get("group.id"),
        role_id=args.get("role.id"),
        project_id=args.get("scope.project.id"),
        domain_id=args.get("scope.domain.id"),
        system="scope.system" in args,
        inherited=True if args.get("scope.OS-INHERIT:inherited_to") == "projects" else None,
        effective=flag("effective") or False,
        include_names=flag("include_names") or False,
        include_subtree=flag("include_subtree") or False,
    )


def _assignment_links(item: Record) -> Record:
    actor = "user" if "user" in item else "group"
    scope = item["scope"]
    target = next(kind for kind in ("project", "domain", "system") if kind in scope)
    place = "system" if target == "system" else f"{target}s/{scope[target]['id']}"
    path = f"{place}/{actor}s/{item[actor]['id']}/roles/{item['role']['id']}"
    if "OS-INHERIT:inherited_to" in scope:
        path = f"OS-INHERIT/{path}{_INHERITED}"
    return {"assignment": link(path)}


# --- implied roles ---------------------------------------------------------------------------------


def _plain(role: Record) -> Record:
    return with_links("role", role)


def _implications() -> list[list[Record]]:
    authorize("identity:list_implied_roles", {})
    return peer().implied_roles(caller())


def inferences() -> Response:
    """Every prior role with what it implies."""
    found: dict[str, Record] = {}
    for prior, role in _implications():
        entry = found.setdefault(prior["id"], {"prior_role": _plain(prior), "implies": []})
        entry["implies"].append(_plain(role))
    return answer({"role_inferences": list(found.values()), "links": {"self": request.url}})


def implied(role_id: str) -> Response:
    """What one role implies."""
    pairs = [pair for pair in _implications() if pair[0]["id"] == role_id]
    prior = pairs[0][0] if pairs else peer().show(caller(), "role", role_id)
    return answer(
        {
            "role_inference": {"prior_role": _plain(prior), "implies": [_plain(role) for _, role in pairs]},
            "links": {"self": request.url},
        }
    )


def implied_one(role_id: str, implied_id: str) -> Response:
    """One rule; 404 when there is none. HEAD only asks whether there is."""
    authorize("identity:list_implied_roles", {})
    found = _inference(role_id, implied_id)
    return nothing() if request.method == "HEAD" else found


def _inference(role_id: str, implied_id: str, status: int = 200) -> Response:
    for prior, role in peer().implied_roles(caller()):
        if (prior["id"], role["id"]) == (role_id, implied_id):
            body = {"role_inference": {"prior_role": _plain(prior), "implies": _plain(role)}}
            return answer(body | {"links": {"self": request.url}}, status)
    raise NotFound(f"Role {role_id} does not imply role {implied_id}.")


def imply(role_id: str, implied_id: str) -> Response:
    """Let a role imply another."""
    authorize("identity:create_implied_role", {})
    peer().imply(caller(), role_id, implied_id)
    return _inference(role_id, implied_id, 201)


def unimply(role_id: str, implied_id: str) -> Response:
    """End that."""
    authorize("identity:delete_implied_role", {})
    peer().unimply(caller(), role_id, implied_id)
    identity().changed()
    return nothing()
