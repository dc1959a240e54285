"""A user's password, projects and groups; a group's users; a service's endpoints."""

from __future__ import annotations

from flask import Blueprint, Response

from novalite.api.policy import authorize
from novalite.errors import NotFound
from novalite.identity.api.http import body, caller, identity, listing, nothing, peer
from novalite.identity.api.records import check, fetch, with_links
from novalite.identity.api.schemas import PasswordBody
from novalite.objects.base import Record


def add_routes(bp: Blueprint) -> None:
    """/v3/users/<id>/…, /v3/groups/<id>/users/…, /v3/services/<id>/endpoints"""
    user, group = "/v3/users/<user_id>", "/v3/groups/<group_id>/users"
    bp.add_url_rule(f"{user}/password", "change_password", change_password, methods=["POST"])
    bp.add_url_rule(f"{user}/projects", "user_projects", projects)
    bp.add_url_rule(f"{user}/groups", "user_groups", groups)
    bp.add_url_rule(group, "group_users", members)
    one = f"{group}/<user_id>"
    bp.add_url_rule(one, "is_member", is_member, methods=["GET"])
    bp.add_url_rule(one, "add_member", add_member, methods=["PUT"])
    bp.add_url_rule(one, "remove_member", remove_member, methods=["DELETE"])
    bp.add_url_rule("/v3/services/<service_id>/endpoints", "service_endpoints", endpoints)


def change_password(user_id: str) -> Response:
    """The old password proves that it is the user who asks."""
    authorize("identity:change_password", {"user_id": user_id})
    pair = body(PasswordBody).user
    peer().change_password(caller(), user_id, pair.original_password, pair.password)
    identity().changed()
    return nothing()


def _authorize_user(user_id: str, rule: str) -> None:
    """The user themself, or whoever may see the user."""
    if caller().user_id != user_id:
        fetch("user", user_id, rule)
    else:
        authorize(rule, {"user_id": user_id})


def projects(user_id: str) -> Response:
    """Projects the user has a role on."""
    _authorize_user(user_id, "identity:list_user_projects")
    found = peer().scopes(caller(), user_id)["projects"]
    return listing("projects", [with_links("project", record) for record in found])


def groups(user_id: str) -> Response:
    """Groups the user is in."""
    _authorize_user(user_id, "identity:list_groups_for_user")
    found = peer().page(caller(), "group", {"user_id": user_id})
    return listing("groups", [with_links("group", record) for record in found])


def members(group_id: str) -> Response:
    """Users in the group."""
    fetch("group", group_id, "identity:list_users_in_group")
    found = peer().page(caller(), "user", {"group_id": group_id})
    return listing("users", [with_links("user", record) for record in found])


def is_member(group_id: str, user_id: str) -> Response:
    """204 when the user is in the group, else 404."""
    check("group", group_id, "identity:check_user_in_group")
    if not peer().is_member(caller(), group_id, user_id):
        raise NotFound(f"User {user_id} is not in group {group_id}.")
    return nothing()


def add_member(group_id: str, user_id: str) -> Response:
    """Put a user into the group."""
    check("group", group_id, "identity:add_user_to_group")
    peer().add_member(caller(), group_id, user_id)
    return nothing()


def remove_member(group_id: str, user_id: str) -> Response:
    """Take a user out of the group."""
    check("group", group_id, "identity:remove_user_from_group")
    peer().remove_member(caller(), group_id, user_id)
    identity().changed()
    return nothing()


def endpoints(service_id: str) -> Response:
    """Endpoints of one service."""
    authorize("identity:list_endpoints", {})
    found: list[Record] = peer().page(caller(), "endpoint", {"service_id": service_id})
    return listing("endpoints", [with_links("endpoint", record) for record in found])
