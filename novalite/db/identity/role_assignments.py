"""The list of role assignments: as given, or with groups, implied and inherited roles worked out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from novalite.db.identity.assignments import ancestors, below, implied_by, of_user, yes_no
from novalite.db.identity.records import MODELS, names
from novalite.db.models import identity as m
from novalite.objects.base import Record
from novalite.objects.identity import AssignmentQuery

Row = dict[str, Any]
"""actor, actor_id, target, target_id, role_id, inherited."""


def page(session: Session, query: AssignmentQuery) -> list[Record]:
    """Assignments as the API shows them, without links."""
    rows = _given(session, query)
    if query.effective:
        rows = list(_worked_out(session, query, rows))
    items = [_item(row) for row in rows]
    if query.include_names:
        _add_names(session, items)
    return items


def _given(session: Session, query: AssignmentQuery) -> list[Row]:
    gave = m.Assignment
    chosen = select(gave.actor, gave.actor_id, gave.target, gave.target_id, gave.role_id, gave.inherited)
    if query.user_id is not None:
        in_person = and_(gave.actor == "user", gave.actor_id == query.user_id)
        chosen = chosen.where(of_user(query.user_id) if query.effective else in_person)
    if query.group_id is not None:
        chosen = chosen.where(gave.actor == "group", gave.actor_id == query.group_id)
    if query.role_id is not None and not query.effective:
        chosen = chosen.where(gave.role_id == query.role_id)
    if query.system:
        chosen = chosen.where(gave.target == "system")
    if query.domain_id is not None:
        chosen = chosen.where(gave.target == "domain", gave.target_id == query.domain_id)
    if query.project_id is not None:
        chosen = chosen.where(_touches_project(session, query.project_id, query))
    if query.inherited is not None:
        chosen = chosen.where(gave.inherited == yes_no(query.inherited))
    return [row._asdict() for row in session.execute(chosen)]


def _touches_project(session: Session, project_id: str, query: AssignmentQuery) -> ColumnElement[bool]:
    gave = m.Assignment
    ids = [project_id, *(below(session, [project_id]) if query.include_subtree else ())]
    on_it = and_(gave.target == "project", gave.target_id.in_(ids))
    if not query.effective:
        return on_it
    row = session.execute(
        select(m.Project.parent_id, m.Project.domain_id).where(m.Project.id == project_id)
    ).first()
    above = ancestors(session, row[0], row[1]) if row else []
    return or_(on_it, and_(gave.target_id.in_(above), gave.inherited == "yes"))


def _worked_out(session: Session, query: AssignmentQuery, rows: Iterable[Row]) -> Iterator[Row]:
    """Users for groups, projects for inheritance, implied roles added; each row once.

    A role of one domain counts only for what it implies.
    """
    domestic = set(session.scalars(select(m.Role.id).where(m.Role.domain_id != "")))
    members: dict[str, list[str]] = {}
    for group, user in session.execute(select(m.Membership.group_id, m.Membership.user_id)):
        members.setdefault(group, []).append(user)
    implied: dict[str, list[str]] = {}
    seen = set()
    for row in rows:
        role = row["role_id"]
        if role not in implied:
            implied[role] = [*({role} - domestic), *implied_by(session, [role], anywhere=True)]
        users = [row["actor_id"]] if row["actor"] == "user" else members.get(row["actor_id"], [])
        for user in users:
            for target, target_id in _where(session, query, row):
                for role_id in implied[role]:
                    key = (user, target, target_id, role_id)
                    asked = query.role_id in (None, role_id) and query.user_id in (None, user)
                    if key in seen or not asked:
                        continue
                    seen.add(key)
                    yield {
                        "actor": "user", "actor_id": user, "target": target, "target_id": target_id,
                        "role_id": role_id, "inherited": "no",
                    }  # fmt: skip


def _where(session: Session, query: AssignmentQuery, row: Row) -> list[tuple[str, str]]:
    if row["inherited"] == "no":
        return [(row["target"], row["target_id"])]
    if query.project_id is not None and not query.include_subtree:
        return [("project", query.project_id)]
    return [("project", project) for project in sorted(below(session, [row["target_id"]]))]


def _item(row: Row) -> Record:
    scope: Record = {"system": {"all": True}}
    if row["target"] != "system":
        scope = {row["target"]: {"id": row["target_id"]}}
    if row["inherited"] == "yes":
        scope["OS-INHERIT:inherited_to"] = "projects"
    return {"role": {"id": row["role_id"]}, row["actor"]: {"id": row["actor_id"]}, "scope": scope}


def _add_names(session: Session, items: list[Record]) -> None:
    """Put names beside ids, and domains beside those."""
    nouns = ("user", "group", "project", "domain", "role")
    refs: dict[str, dict[str, list[Record]]] = {noun: {} for noun in nouns}
    for item in items:
        for noun, ref in [*item.items(), *item["scope"].items()]:
            if noun in refs and "id" in ref:
                refs[noun].setdefault(ref["id"], []).append(ref)
    domains = names(session, "domain")
    for noun, wanted in refs.items():
        if not wanted:
            continue
        model = MODELS[noun]
        home = model.id if noun == "domain" else model.domain_id
        for record_id, name, domain_id in session.execute(
            select(model.id, model.name, home).where(model.id.in_(wanted))
        ):
            for ref in wanted[record_id]:
                ref["name"] = name
                if noun != "domain" and domain_id:
                    ref["domain"] = {"id": domain_id, "name": domains.get(domain_id)}
