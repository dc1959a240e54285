"""Tags of a project, one by one or all at once."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response

from novalite.api.schemas import Body, parse
from novalite.errors import NotFound
from novalite.identity.api.http import VERSION, answer, body, caller, link, nothing, peer
from novalite.identity.api.records import check, fetch
from novalite.identity.api.schemas import Tags


class TagsBody(Body):
    """What PUT …/tags takes."""

    tags: Tags


def add_routes(bp: Blueprint) -> None:
    """/v3/projects/<id>/tags and /v3/projects/<id>/tags/<tag>"""
    every = "/v3/projects/<project_id>/tags"
    one = f"{every}/<tag>"
    for method, path, view in (
        ("GET", every, show_all),
        ("PUT", every, replace),
        ("DELETE", every, clear),
        ("GET", one, show_one),
        ("PUT", one, add),
        ("DELETE", one, remove),
    ):
        bp.add_url_rule(path, f"{view.__name__}_project_tags", view, methods=[method])


def _tags(project_id: str) -> list[str]:
    return list(fetch("project", project_id, "identity:get_project")["tags"])


def _write(project_id: str, tags: list[str]) -> Any:
    return peer().update(caller(), "project", project_id, {"tags": tags})["tags"]


def show_all(project_id: str) -> Response:
    """All of them."""
    return answer({"tags": _tags(project_id), "links": {"self": link(f"projects/{project_id}/tags")}})


def replace(project_id: str) -> Response:
    """These and no others."""
    check("project", project_id, "identity:update_project")
    found = _write(project_id, list(dict.fromkeys(body(TagsBody).tags)))
    return answer({"tags": found, "links": {"self": link(f"projects/{project_id}/tags")}})


def clear(project_id: str) -> Response:
    """None any more."""
    check("project", project_id, "identity:update_project")
    _write(project_id, [])
    return nothing()


def show_one(project_id: str, tag: str) -> Response:
    """204 when the project has the tag, else 404."""
    if tag not in _tags(project_id):
        raise NotFound(f"Project {project_id} has no tag {tag[:255]}.")
    return nothing()


def add(project_id: str, tag: str) -> Response:
    """One more; also when it is there already."""
    check("project", project_id, "identity:update_project")
    tags = _tags(project_id)
    wanted = parse(TagsBody, {"tags": [*tags, tag] if tag not in tags else tags}, VERSION)
    _write(project_id, wanted.tags)
    return nothing(201)


def remove(project_id: str, tag: str) -> Response:
    """One less; 404 when the project does not have it."""
    check("project", project_id, "identity:update_project")
    tags = _tags(project_id)
    if tag not in tags:
        raise NotFound(f"Project {project_id} has no tag {tag[:255]}.")
    _write(project_id, [have for have in tags if have != tag])
    return nothing()
