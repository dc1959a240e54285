"""Who has which role where: given directly, through groups, implied by other roles, inherited from above."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, exists, insert, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from novalite.db.identity.records import MODELS, columns, missing, names, record
from novalite.db.models import identity as m
from novalite.errors import BadRequest, Conflict, Forbidden, NotFound
from novalite.objects.base import Record
from novalite.objects.identity import Grant, revocation_key

ALL = "all"
"""The target id of the system."""
_MAX_DEPTH = 32
"""Levels of projects looked through; a deeper tree is a loop that should not be there."""


def _is(grant: Grant, role_id: str | None) -> ColumnElement[bool]:
    gave = m.Assignment
    same = and_(
        gave.actor == grant.actor,
        gave.actor_id == grant.actor_id,
        gave.target == grant.target,
        gave.target_id == grant.target_id,
        gave.inherited == yes_no(grant.inherited),
    )
    return same if role_id is None else and_(same, gave.role_id == role_id)


def yes_no(flag: bool) -> str:
    """How the column `inherited` says it."""
    return "yes" if flag else "no"


def _check(session: Session, grant: Grant, role_id: str | None) -> bool:
    """Whether the role is given so; NotFound when actor, target or role does not exist."""
    named: list[tuple[str, str]] = [(grant.actor, grant.actor_id)]
    if grant.target != "system":
        named.append((grant.target, grant.target_id))
    if role_id is not None:
        named.append(("role", role_id))
    tests = [exists().where(MODELS[noun].id == record_id) for noun, record_id in named]
    found = session.execute(select(*tests, exists().where(_is(grant, role_id)))).one()
    for (noun, record_id), there in zip(named, found, strict=False):
        if not there:
            raise missing(noun, record_id)
    return bool(found[-1])


def give(session: Session, grant: Grant, role_id: str) -> None:
    """Give a role; nothing happens when it is given already."""
    if _check(session, grant, role_id):
        return
    if grant.target in ("domain", "project"):
        _check_domain_role(session, grant, role_id)
    values = grant.model_dump() | {"role_id": role_id, "inherited": yes_no(grant.inherited)}
    try:
        with session.begin_nested():
            session.execute(insert(m.Assignment).values(**values))
    except IntegrityError:
        pass  # somebody else gave it in this very moment


def _check_domain_role(session: Session, grant: Grant, role_id: str) -> None:
    """A role of one domain can be given inside that domain only."""
    home = session.scalar(select(m.Role.domain_id).where(m.Role.id == role_id))
    if not home:
        return
    where = grant.target_id
    if grant.target == "project":
        where = session.scalar(select(m.Project.domain_id).where(m.Project.id == grant.target_id)) or ""
    if where != home:
        raise BadRequest(f"Role {role_id} belongs to domain {home} and can be given only there.")


def take(session: Session, grant: Grant, role_id: str) -> list[str]:
    """Take a role back; answers the revocation keys of tokens that have it."""
    taken = session.execute(delete(m.Assignment).where(_is(grant, role_id)))
    if taken.rowcount == 0:  # type: ignore[attr-defined]
        _check(session, grant, role_id)
        raise NotFound(f"The {grant.actor} {grant.actor_id} does not have role {role_id} there.")
    users: Iterable[str] = [grant.actor_id]
    if grant.actor == "group":
        users = session.scalars(select(m.Membership.user_id).where(m.Membership.group_id == grant.actor_id))
    if grant.inherited:
        return [revocation_key("user", user) for user in users]
    return [revocation_key("target", user, grant.target_id) for user in users]


def given(session: Session, grant: Grant) -> list[Record]:
    """Roles given in exactly this way, as role records."""
    _check(session, grant, None)
    columns = (m.Role.id, m.Role.name, m.Role.domain_id, m.Role.description, m.Role.options)
    rows = session.execute(
        select(*columns).join(m.Assignment, m.Assignment.role_id == m.Role.id).where(_is(grant, None))
    )
    return [r._asdict() | {"domain_id": r.domain_id or None} for r in rows]


# --- working it out ----------------------------------------------------------------------------


def groups_of(user_id: str) -> Any:
    """A subquery: ids of the groups a user is in."""
    return select(m.Membership.group_id).where(m.Membership.user_id == user_id)


def of_user(user_id: str) -> ColumnElement[bool]:
    """Matches what is given to the user or to a group the user is in."""
    gave = m.Assignment
    return or_(
        and_(gave.actor == "user", gave.actor_id == user_id),
        and_(gave.actor == "group", gave.actor_id.in_(groups_of(user_id))),
    )


def ancestors(session: Session, parent_id: str, domain_id: str) -> list[str]:
    """Ids above a project whose parent is `parent_id`: projects from the nearest up, then the domain."""
    above: list[str] = []
    while parent_id != domain_id and len(above) < _MAX_DEPTH:
        above.append(parent_id)
        parent_id = session.scalar(select(m.Project.parent_id).where(m.Project.id == parent_id)) or domain_id
    return [*above, domain_id]


def roles_of(
    session: Session, user_id: str, target: str, target_id: str, above: Iterable[str] = ()
) -> list[tuple[str, str]]:
    """(id, name) of every role a user has on a target: direct, by group, inherited from `above`, implied."""
    gave = m.Assignment
    here = and_(gave.target == target, gave.target_id == target_id, gave.inherited == "no")
    where = or_(here, and_(gave.target_id.in_(list(above)), gave.inherited == "yes")) if above else here
    rows = session.execute(
        select(m.Role.id, m.Role.name, m.Role.domain_id)
        .join(gave, gave.role_id == m.Role.id)
        .where(of_user(user_id), where)
        .distinct()
    ).all()
    if not rows:
        return []
    found = {r.id: r.name for r in rows if not r.domain_id}
    implied = implied_by(session, (r.id for r in rows), anywhere=True)
    # A role of one domain counts only for what it implies.
    return sorted((found | implied).items(), key=lambda pair: pair[1])


def implied_by(session: Session, role_ids: Iterable[str], anywhere: bool = False) -> dict[str, str]:
    """Name by id of every role these roles imply, directly or over others, without the roles themselves.

    `anywhere`: without roles of one domain, which count only for what they imply.
    """
    rules: dict[str, list[tuple[str, str, str]]] = {}
    rule = m.ImpliedRole
    for prior, role_id, name, home in session.execute(
        select(rule.prior_id, m.Role.id, m.Role.name, m.Role.domain_id).join(m.Role, m.Role.id == rule.implied_id)
    ):
        rules.setdefault(prior, []).append((role_id, name, home))
    found: dict[str, str] = {}
    homes: dict[str, str] = {}
    todo = list(role_ids)
    while todo:
        for role_id, name, home in rules.get(todo.pop(), ()):
            if role_id not in found:
                found[role_id], homes[role_id] = name, home
                todo.append(role_id)
    return {role_id: name for role_id, name in found.items() if not (anywhere and homes[role_id])}


def scopes(session: Session, user_id: str) -> Record:
    """{projects, domains, system}: everything enabled that the user has a role on."""
    gave = m.Assignment
    rows = session.execute(
        select(gave.target, gave.target_id, gave.inherited).where(of_user(user_id)).distinct()
    ).all()
    direct = {kind: [r[1] for r in rows if r[0] == kind and r[2] == "no"] for kind in ("project", "domain")}
    handed_down = [r[1] for r in rows if r[2] == "yes"]
    projects = set(direct["project"]) | below(session, handed_down)
    return {
        "projects": _enabled(session, "project", projects),
        "domains": _enabled(session, "domain", direct["domain"]),
        "system": [{"all": True}] if any(r[0] == "system" for r in rows) else [],
    }


def below(session: Session, tops: list[str]) -> set[str]:
    """Ids of all projects under these domains and projects."""
    found: set[str] = set()
    level = tops
    while level:
        rows = session.scalars(
            select(m.Project.id).where(or_(m.Project.parent_id.in_(level), m.Project.domain_id.in_(level)))
        )
        level = [row for row in rows if row not in found]
        found.update(level)
    return found


def _enabled(session: Session, noun: str, ids: Iterable[str]) -> list[Record]:
    wanted = list(ids)
    if not wanted:
        return []
    model = MODELS[noun]
    query = select(*columns(noun)).where(model.id.in_(wanted), model.enabled)
    if noun == "project":
        query = query.join(m.Domain, m.Domain.id == m.Project.domain_id).where(m.Domain.enabled)
    return [record(noun, row) for row in session.execute(query)]


# --- implied roles and members -----------------------------------------------------------------


def implications(session: Session) -> list[list[Record]]:
    """Every [prior, implied] pair as {id, name}."""
    known = names(session, "role")
    rows = session.execute(select(m.ImpliedRole.prior_id, m.ImpliedRole.implied_id))
    return [[{"id": i, "name": known[i]} for i in row] for row in rows if row[0] in known and row[1] in known]


def imply(session: Session, prior_id: str, implied_id: str) -> None:
    """Add a rule; Conflict when it would make a role imply itself, Forbidden from everywhere to one domain."""
    asked = select(m.Role.id, m.Role.domain_id).where(m.Role.id.in_([prior_id, implied_id]))
    homes = {role_id: home for role_id, home in session.execute(asked)}  # noqa: C416  (rows are no pairs to mypy)
    for role_id in (prior_id, implied_id):
        if role_id not in homes:
            raise missing("role", role_id)
    if homes[implied_id] and not homes[prior_id]:
        raise Forbidden(f"Role {implied_id} belongs to a domain; a role of the whole cloud cannot imply it.")
    if prior_id == implied_id or prior_id in implied_by(session, [implied_id]):
        raise Conflict("A role cannot imply itself, nor a role that implies it.")
    rule = m.ImpliedRole
    if not session.scalar(select(exists().where(rule.prior_id == prior_id, rule.implied_id == implied_id))):
        session.execute(insert(rule).values(prior_id=prior_id, implied_id=implied_id))


def unimply(session: Session, prior_id: str, implied_id: str) -> None:
    """Remove a rule; NotFound when there is none."""
    rule = m.ImpliedRole
    gone = session.execute(delete(rule).where(rule.prior_id == prior_id, rule.implied_id == implied_id))
    if gone.rowcount == 0:  # type: ignore[attr-defined]
        raise NotFound(f"Role {prior_id} does not imply role {implied_id}.")


def is_member(session: Session, group_id: str, user_id: str) -> bool:
    """Whether the user is in the group; NotFound when either does not exist."""
    group, user, member = session.execute(
        select(
            exists().where(m.Group.id == group_id),
            exists().where(m.User.id == user_id),
            exists().where(m.Membership.group_id == group_id, m.Membership.user_id == user_id),
        )
    ).one()
    if not group:
        raise missing("group", group_id)
    if not user:
        raise missing("user", user_id)
    return bool(member)


def add_member(session: Session, group_id: str, user_id: str) -> None:
    """Put a user into a group; nothing happens when it is there."""
    if not is_member(session, group_id, user_id):
        session.execute(insert(m.Membership).values(group_id=group_id, user_id=user_id))


def remove_member(session: Session, group_id: str, user_id: str) -> list[str]:
    """Take a user out of a group; answers the revocation keys of the user's tokens."""
    row = m.Membership
    gone = session.execute(delete(row).where(row.group_id == group_id, row.user_id == user_id))
    if gone.rowcount == 0:  # type: ignore[attr-defined]
        is_member(session, group_id, user_id)
        raise NotFound(f"User {user_id} is not in group {group_id}.")
    return [revocation_key("user", user_id)]
