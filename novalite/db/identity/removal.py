"""Deleting an identity record with everything that depends on it, and revoking the tokens that did."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import delete as sql_delete
from sqlalchemy import exists, or_, select, union
from sqlalchemy.orm import Session

from novalite.db.identity.records import MODELS, missing
from novalite.db.models import identity as m
from novalite.errors import Conflict, Forbidden
from novalite.objects.identity import revocation_key


def delete(session: Session, noun: str, record_id: str) -> list[str]:
    """Delete; answers the revocation keys of tokens that must end. Errors as in the contract."""
    keys = _BEFORE[noun](session, record_id) if noun in _BEFORE else []
    model = MODELS[noun]
    gone = session.execute(sql_delete(model).where(model.id == record_id))
    if gone.rowcount == 0:  # type: ignore[attr-defined]
        raise missing(noun, record_id)
    return keys


def _domain(session: Session, domain_id: str) -> list[str]:
    enabled = session.scalar(select(m.Domain.enabled).where(m.Domain.id == domain_id))
    if enabled:
        raise Forbidden("An enabled domain cannot be deleted; disable it first.")
    inside = {
        model: select(model.id).where(model.domain_id == domain_id)
        for model in (m.User, m.Group, m.Project, m.Role)
    }
    users, groups, projects, roles = (inside[x] for x in (m.User, m.Group, m.Project, m.Role))
    # Members from elsewhere lose what its groups gave them.
    members = session.scalars(select(m.Membership.user_id).where(m.Membership.group_id.in_(groups))).all()
    gave = m.Assignment
    session.execute(
        sql_delete(gave).where(
            or_(
                gave.target_id == domain_id,
                gave.target_id.in_(projects),
                gave.actor_id.in_(union(users, groups)),
                gave.role_id.in_(roles),
            )
        )
    )
    session.execute(
        sql_delete(m.AppCredential).where(
            or_(m.AppCredential.user_id.in_(users), m.AppCredential.project_id.in_(projects))
        )
    )
    member = m.Membership
    session.execute(sql_delete(member).where(or_(member.user_id.in_(users), member.group_id.in_(groups))))
    for model in inside:
        session.execute(sql_delete(model).where(model.domain_id == domain_id))
    return [revocation_key("domain", domain_id), *(revocation_key("user", user) for user in set(members))]


def _project(session: Session, project_id: str) -> list[str]:
    if session.scalar(select(exists().where(m.Project.parent_id == project_id))):
        raise Forbidden(f"Project {project_id} has projects below it; delete those first.")
    session.execute(
        sql_delete(m.Assignment).where(m.Assignment.target_id == project_id, m.Assignment.target == "project")
    )
    session.execute(sql_delete(m.AppCredential).where(m.AppCredential.project_id == project_id))
    return [revocation_key("project", project_id)]


def _user(session: Session, user_id: str) -> list[str]:
    session.execute(sql_delete(m.Assignment).where(m.Assignment.actor_id == user_id))
    session.execute(sql_delete(m.AppCredential).where(m.AppCredential.user_id == user_id))
    session.execute(sql_delete(m.Membership).where(m.Membership.user_id == user_id))
    return [revocation_key("user", user_id)]


def _group(session: Session, group_id: str) -> list[str]:
    members = session.scalars(select(m.Membership.user_id).where(m.Membership.group_id == group_id)).all()
    session.execute(sql_delete(m.Assignment).where(m.Assignment.actor_id == group_id))
    session.execute(sql_delete(m.Membership).where(m.Membership.group_id == group_id))
    return [revocation_key("user", user) for user in members]


def _role(session: Session, role_id: str) -> list[str]:
    users = having_role(session, role_id)
    session.execute(sql_delete(m.Assignment).where(m.Assignment.role_id == role_id))
    session.execute(
        sql_delete(m.ImpliedRole).where(
            or_(m.ImpliedRole.prior_id == role_id, m.ImpliedRole.implied_id == role_id)
        )
    )
    return [revocation_key("user", user) for user in users]


def having_role(session: Session, role_id: str) -> list[str]:
    """Ids of users who have this role anywhere: in person, through a group, or by a role that implies it."""
    gave, roles = m.Assignment, _implying(session, role_id)
    direct = select(gave.actor_id).where(gave.role_id.in_(roles), gave.actor == "user")
    grouped = (
        select(m.Membership.user_id)
        .join(gave, gave.actor_id == m.Membership.group_id)
        .where(gave.role_id.in_(roles), gave.actor == "group")
    )
    return list(session.scalars(union(direct, grouped)))


def _implying(session: Session, role_id: str) -> set[str]:
    """The role and every role that implies it, directly or over others."""
    rule = m.ImpliedRole
    pairs = session.execute(select(rule.prior_id, rule.implied_id)).all()
    found, size = {role_id}, 0
    while len(found) > size:
        size = len(found)
        found |= {prior for prior, implied in pairs if implied in found}
    return found


def _service(session: Session, service_id: str) -> list[str]:
    session.execute(sql_delete(m.Endpoint).where(m.Endpoint.service_id == service_id))
    return []


def _region(session: Session, region_id: str) -> list[str]:
    if session.scalar(select(exists().where(m.Region.parent_region_id == region_id))):
        raise Conflict(f"Region {region_id} has regions below it; delete those first.")
    if session.scalar(select(exists().where(m.Endpoint.region_id == region_id))):
        raise Conflict(f"Region {region_id} has endpoints; delete those first.")
    return []


_BEFORE: dict[str, Callable[[Session, str], list[Any]]] = {
    "domain": _domain,
    "project": _project,
    "user": _user,
    "group": _group,
    "role": _role,
    "service": _service,
    "region": _region,
}
