"""Tables of the embedded identity: domains, projects, users, groups, roles, catalog, keys, revocations.

Rows point at one another by plain id columns; db/identity deletes what depends on a row in the same
transaction, so that the rules are in one place and the same on every database. `extra` holds what clients
wrote besides the fields of a record (the Identity API keeps and shows attributes it does not know).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from novalite.db.models.base import TABLE, Base, JsonText, UtcDateTime, now


class Domain(Base):
    """A name space for projects, users and groups."""

    __tablename__ = "identity_domains"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(255), unique=True)
    description: Mapped[str] = mapped_column(Text, default="")
    enabled: Mapped[bool] = mapped_column(default=True)
    tags: Mapped[Any] = mapped_column(JsonText, default=list)
    options: Mapped[Any] = mapped_column(JsonText, default=dict)
    extra: Mapped[Any | None] = mapped_column(JsonText)


class Project(Base):
    """What owns servers and images. `parent_id` is another project or the domain itself."""

    __tablename__ = "identity_projects"
    __table_args__ = (UniqueConstraint("domain_id", "name"), TABLE)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(255))
    domain_id: Mapped[str] = mapped_column(String(64))
    parent_id: Mapped[str] = mapped_column(String(64), index=True)
    description: Mapped[str] = mapped_column(Text, default="")
    enabled: Mapped[bool] = mapped_column(default=True)
    tags: Mapped[Any] = mapped_column(JsonText, default=list)
    options: Mapped[Any] = mapped_column(JsonText, default=dict)
    extra: Mapped[Any | None] = mapped_column(JsonText)


class User(Base):
    """Who may ask for a token. `password_hash` is what identity/passwords.py made, or NULL: no login."""

    __tablename__ = "identity_users"
    __table_args__ = (UniqueConstraint("domain_id", "name"), TABLE)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(255))
    domain_id: Mapped[str] = mapped_column(String(64))
    enabled: Mapped[bool] = mapped_column(default=True)
    description: Mapped[str | None] = mapped_column(Text)
    email: Mapped[str | None] = mapped_column(String(255))
    default_project_id: Mapped[str | None] = mapped_column(String(64))
    password_hash: Mapped[str | None] = mapped_column(String(255))
    password_expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    options: Mapped[Any] = mapped_column(JsonText, default=dict)
    failed_logins: Mapped[int] = mapped_column(Integer, default=0)
    last_failed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    extra: Mapped[Any | None] = mapped_column(JsonText)


class Group(Base):
    """Users who are given roles together."""

    __tablename__ = "identity_groups"
    __table_args__ = (UniqueConstraint("domain_id", "name"), TABLE)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(255))
    domain_id: Mapped[str] = mapped_column(String(64))
    description: Mapped[str] = mapped_column(Text, default="")
    extra: Mapped[Any | None] = mapped_column(JsonText)


class Membership(Base):
    """One user in one group."""

    __tablename__ = "identity_memberships"

    group_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[str] = mapped_column(String(64), primary_key=True, index=True)


class Role(Base):
    """A name that policies ask for. `domain_id` is "" for a role of the whole cloud: NULLs are never equal."""

    __tablename__ = "identity_roles"
    __table_args__ = (UniqueConstraint("domain_id", "name"), TABLE)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(255))
    domain_id: Mapped[str] = mapped_column(String(64), default="")
    description: Mapped[str | None] = mapped_column(Text)
    options: Mapped[Any] = mapped_column(JsonText, default=dict)
    extra: Mapped[Any | None] = mapped_column(JsonText)


class ImpliedRole(Base):
    """Whoever has `prior_id` has `implied_id` too."""

    __tablename__ = "identity_implied_roles"

    prior_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    implied_id: Mapped[str] = mapped_column(String(64), primary_key=True)


class Assignment(Base):
    """A role given to a user or group on a project, a domain or the system (target_id "all").

    `inherited` is "yes" when it counts on the projects below the target instead of on it, else "no".
    """

    __tablename__ = "identity_assignments"
    __table_args__ = (Index(None, "target_id", "role_id"), TABLE)

    actor_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    target_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    role_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    actor: Mapped[str] = mapped_column(String(8), primary_key=True)
    target: Mapped[str] = mapped_column(String(8), primary_key=True)
    inherited: Mapped[str] = mapped_column(String(3), primary_key=True, default="no")


class AppCredential(Base):
    """A second secret of a user for one project, with some of the roles the user has there."""

    __tablename__ = "identity_app_credentials"
    __table_args__ = (UniqueConstraint("user_id", "name"), TABLE)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[str] = mapped_column(String(64))
    project_id: Mapped[str] = mapped_column(String(64), index=True)
    name: Mapped[str] = mapped_column(String(255))
    description: Mapped[str | None] = mapped_column(Text)
    secret_hash: Mapped[str] = mapped_column(String(255))
    role_ids: Mapped[Any] = mapped_column(JsonText, default=list)
    unrestricted: Mapped[bool] = mapped_column(default=False)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class Region(Base):
    """A place in the catalog."""

    __tablename__ = "identity_regions"

    id: Mapped[str] = mapped_column(String(255), primary_key=True)
    description: Mapped[str] = mapped_column(Text, default="")
    parent_region_id: Mapped[str | None] = mapped_column(String(255))
    extra: Mapped[Any | None] = mapped_column(JsonText)


class CatalogService(Base):
    """A service of the catalog; its addresses are endpoints."""

    __tablename__ = "identity_services"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    type: Mapped[str] = mapped_column(String(255), index=True)
    name: Mapped[str | None] = mapped_column(String(255))
    description: Mapped[str | None] = mapped_column(Text)
    enabled: Mapped[bool] = mapped_column(default=True)
    extra: Mapped[Any | None] = mapped_column(JsonText)


class Endpoint(Base):
    """One address of a service. `url` may hold %(project_id)s or $(project_id)s."""

    __tablename__ = "identity_endpoints"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    service_id: Mapped[str] = mapped_column(String(64), index=True)
    interface: Mapped[str] = mapped_column(String(8))
    url: Mapped[str] = mapped_column(Text)
    region_id: Mapped[str | None] = mapped_column(String(255))
    enabled: Mapped[bool] = mapped_column(default=True)
    name: Mapped[str | None] = mapped_column(String(255))
    description: Mapped[str | None] = mapped_column(Text)
    extra: Mapped[Any | None] = mapped_column(JsonText)


class SigningKey(Base):
    """An Ed25519 key that signs tokens. The newest signs; older ones still verify until their tokens end."""

    __tablename__ = "identity_keys"

    kid: Mapped[str] = mapped_column(String(16), primary_key=True)
    private: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class Revocation(Base):
    """Tokens that carry `key` (see objects/identity.py) and were issued at `issued_before` µs or earlier are void."""

    __tablename__ = "identity_revocations"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    key: Mapped[str] = mapped_column(String(200))
    issued_before: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now, index=True)
