"""The first records of a cloud: a domain, a project, an administrator, roles and the catalog."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from novalite.db.identity import assignments, login
from novalite.db.models import identity as m
from novalite.db.session import Database
from novalite.identity.claims import now_us
from novalite.identity.passwords import Passwords
from novalite.objects.identity import Grant, revocation_key

LOG = logging.getLogger(__name__)

ROLES = ("admin", "manager", "member", "reader", "service")
IMPLIED = (("admin", "manager"), ("manager", "member"), ("member", "reader"))
SERVICES = (
    ("identity", "keystone", "/identity/v3"),
    ("compute", "nova", "/v2.1"),
    ("image", "glance", "/image"),
    ("placement", "placement", "/placement"),
)
"""Type, name and path of every service that is always there."""
NETWORK = ("network", "neutron", "/network")
"""The same of the network service, which may be left out."""


def bootstrap(
    db: Database,
    password: str,
    public_url: str,
    region: str = "RegionOne",
    passwords: Passwords | None = None,
    network: bool = True,
) -> None:
    """Make what is missing, set the administrator's password and the addresses. May run any number of times.

    `public_url` is where clients reach the API, without a path; `network` whether it serves networks too. Ids
    are derived from names, so that two conductors starting at once make the same rows.
    """
    secrets = passwords or Passwords(8192, 8, 1)

    def work(session: Session) -> None:
        _people(session, password, secrets)
        _roles(session)
        _catalog(session, public_url.rstrip("/"), region, (*SERVICES, NETWORK) if network else SERVICES)
        if not network:
            _withdraw(session, NETWORK[0])

    db.run(work)
    LOG.info("The cloud has its administrator, roles and a catalog at %s", public_url)


def stable_id(kind: str, name: str) -> str:
    """The id of a record this module makes."""
    return uuid5(NAMESPACE_URL, f"novalite:{kind}:{name}").hex


def _ensure(session: Session, model: Any, key: Any, **values: Any) -> str:
    """The id of the row where `key` (a condition) holds; made with `values` when there is none."""
    found = session.scalar(select(model.id).where(key))
    if found is None:
        session.execute(insert(model).values(**values))
        return str(values["id"])
    return str(found)


def _people(session: Session, password: str, secrets: Passwords) -> None:
    _ensure(session, m.Domain, m.Domain.id == "default", id="default", name="Default",
            description="The default domain")  # fmt: skip
    home = {"domain_id": "default"}
    project, user = m.Project, m.User
    _ensure(
        session, project, (project.name == "admin") & (project.domain_id == "default"),
        id=stable_id("project", "admin"), name="admin", parent_id="default",
        description="The administrators' project", **home,
    )  # fmt: skip
    found = session.execute(
        select(user.id, user.password_hash).where(user.name == "admin", user.domain_id == "default")
    ).first()
    if found is None:
        row = {"id": stable_id("user", "admin"), "name": "admin", **home}
        session.execute(insert(user).values(**row, password_hash=secrets.hash(password)))
    elif not secrets.check(password, found.password_hash):
        login.set_password(session, found.id, secrets.hash(password))
        login.revoke(session, [revocation_key("user", found.id)], now_us())


def _roles(session: Session) -> None:
    ids = {
        name: _ensure(
            session, m.Role, (m.Role.name == name) & (m.Role.domain_id == ""),
            id=stable_id("role", name), name=name, domain_id="",
        )
        for name in ROLES
    }  # fmt: skip
    for prior, implied in IMPLIED:
        assignments.imply(session, ids[prior], ids[implied])
    admin = session.scalars(
        select(m.User.id).where(m.User.name == "admin", m.User.domain_id == "default")
    ).one()
    project = session.scalars(
        select(m.Project.id).where(m.Project.name == "admin", m.Project.domain_id == "default")
    ).one()
    for target, target_id in (("project", project), ("domain", "default"), ("system", assignments.ALL)):
        grant = Grant.model_validate(
            {"actor": "user", "actor_id": admin, "target": target, "target_id": target_id}
        )
        assignments.give(session, grant, ids["admin"])


def _catalog(session: Session, public_url: str, region: str, services: Iterable[tuple[str, str, str]]) -> None:
    _ensure(session, m.Region, m.Region.id == region, id=region)
    for kind, name, path in services:
        service = m.CatalogService
        service_id = _ensure(
            session, service, (service.type == kind) & (service.name == name),
            id=stable_id("service", kind), type=kind, name=name,
        )  # fmt: skip
        for interface in ("public", "internal", "admin"):
            _address(session, service_id, interface, region, public_url + path)


def _withdraw(session: Session, kind: str) -> None:
    """What this module once wrote of a service that is no longer served; what others wrote stays."""
    mine = stable_id("service", kind)
    session.execute(delete(m.Endpoint).where(m.Endpoint.service_id == mine))
    session.execute(delete(m.CatalogService).where(m.CatalogService.id == mine))


def _address(session: Session, service_id: str, interface: str, region: str, url: str) -> None:
    point = m.Endpoint
    same = (point.service_id == service_id) & (point.interface == interface) & (point.region_id == region)
    made = stable_id("endpoint", f"{service_id}:{interface}:{region}")
    found = _ensure(
        session, point, same, id=made, service_id=service_id, interface=interface, region_id=region, url=url
    )
    session.execute(update(point).where(point.id == found, point.url != url).values(url=url))
