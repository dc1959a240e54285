"""Request bodies of the Identity API."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

import orjson
from pydantic import AfterValidator, ConfigDict, Field, model_validator

from novalite.api.schemas import Body, wrong
from novalite.objects.identity import Login, Ref, Scope


def _bounded(value: dict[str, Any]) -> dict[str, Any]:
    if len(value) > 32:
        raise wrong("It may have at most 32 keys.")
    return value


def _tag(value: str) -> str:
    if "/" in value or "," in value:
        raise wrong("A tag may hold neither slash nor comma.")
    return value


def _not_blank(value: str) -> str:
    if not value.strip():
        raise wrong("It must not be blank.")
    return value


Id = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-zA-Z0-9_-]+$")]
Short = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_not_blank)]
Long = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_not_blank)]
Text = Annotated[str, Field(max_length=10_000)]
Options = Annotated[dict[str, Any], AfterValidator(_bounded)]
Tag = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_tag)]
Tags = Annotated[list[Tag], Field(max_length=80)]
Secret = Annotated[str, Field(min_length=1, max_length=4096)]
Url = Annotated[str, Field(min_length=1, max_length=2048, pattern=r"^[a-z][a-z0-9+.-]*://\S+$")]
Region = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^/]+$")]
MOST_EXTRA = 8192
"""Bytes of JSON that a record may hold besides its fields."""
Flag = Annotated[bool, Field(strict=True)]
"""A JSON boolean; words for one are refused, as the Identity API does."""
Interface = Literal["public", "internal", "admin"]


# --- records: the second class of each pair is what a new record needs ---------------------------


class Open(Body):
    """A record's fields. What else a client sends is kept and shown again, as the Identity API does."""

    model_config = ConfigDict(extra="allow")

    @model_validator(mode="after")
    def _few_extras(self) -> Self:
        extra = self.model_extra or {}
        if len(extra) > 32 or len(orjson.dumps(extra)) > MOST_EXTRA:
            raise wrong(f"Besides its fields it may hold 32 attributes and {MOST_EXTRA} bytes.")
        return self


class DomainChange(Open):
    name: Short = ""
    description: Text | None = None
    enabled: Flag = True
    tags: Tags | None = None
    options: Options | None = None


class NewDomain(DomainChange):
    name: Short


class ProjectChange(Open):
    name: Short = ""
    domain_id: Id | None = None
    parent_id: Id | None = None
    description: Text | None = None
    enabled: Flag = True
    is_domain: Literal[False] = False
    tags: Tags | None = None
    options: Options | None = None


class NewProject(ProjectChange):
    name: Short


class UserChange(Open):
    name: Long = ""
    domain_id: Id | None = None
    enabled: Flag = True
    description: Text | None = None
    email: Annotated[str, Field(max_length=255)] | None = None
    default_project_id: Id | None = None
    password: Secret | None = None
    options: Options | None = None


class NewUser(UserChange):
    name: Long


class GroupChange(Open):
    name: Short = ""
    domain_id: Id | None = None
    description: Text | None = None


class NewGroup(GroupChange):
    name: Short


class RoleChange(Open):
    name: Long = ""
    domain_id: Id | None = None
    description: Text | None = None
    options: Options | None = None


class NewRole(RoleChange):
    name: Long


class ServiceChange(Open):
    type: Long = ""
    name: Annotated[str, Field(max_length=255)] | None = None
    description: Text | None = None
    enabled: Flag = True


class NewService(ServiceChange):
    type: Long


class EndpointChange(Open):
    service_id: Id = ""
    interface: Interface = "public"
    url: Url = ""
    region_id: Region | None = None
    region: Region | None = None
    enabled: Flag = True
    name: Annotated[str, Field(max_length=255)] | None = None
    description: Text | None = None


class NewEndpoint(EndpointChange):
    service_id: Id
    interface: Interface
    url: Url


class RegionChange(Open):
    description: Text | None = None
    parent_region_id: Region | None = None


class NewRegion(RegionChange):
    id: Region | None = None


BODIES: dict[str, tuple[type[Body], type[Body]]] = {
    "domain": (NewDomain, DomainChange),
    "project": (NewProject, ProjectChange),
    "user": (NewUser, UserChange),
    "group": (NewGroup, GroupChange),
    "role": (NewRole, RoleChange),
    "service": (NewService, ServiceChange),
    "endpoint": (NewEndpoint, EndpointChange),
    "region": (NewRegion, RegionChange),
}
"""What creates and what changes a record, by noun."""


# --- logins --------------------------------------------------------------------------------------


class DomainName(Body):
    id: Long | None = None
    name: Long | None = None


class UserName(Body):
    id: Long | None = None
    name: Long | None = None
    domain: DomainName | None = None


class UserPassword(UserName):
    password: Annotated[str, Field(max_length=4096)]


class PasswordMethod(Body):
    user: UserPassword


class TokenMethod(Body):
    id: Annotated[str, Field(max_length=8192)]


class CredentialMethod(Body):
    id: Long | None = None
    name: Long | None = None
    secret: Annotated[str, Field(max_length=4096)]
    user: UserName | None = None


Method = Literal["password", "token", "application_credential"]


class IdentityPart(Body):
    methods: Annotated[list[Method], Field(min_length=1, max_length=3)]
    password: PasswordMethod | None = None
    token: TokenMethod | None = None
    application_credential: CredentialMethod | None = None


class ProjectName(Body):
    id: Long | None = None
    name: Long | None = None
    domain: DomainName | None = None


class SystemScope(Body):
    all: Literal[True]


class ScopePart(Body):
    project: ProjectName | None = None
    domain: DomainName | None = None
    system: SystemScope | None = None


class AuthPart(Body):
    identity: IdentityPart
    scope: ScopePart | Literal["unscoped"] | None = None


class AuthBody(Body):
    auth: AuthPart

    def login(self) -> Login:
        """The same, as the conductor takes it. ValueError with a sentence when parts do not fit together."""
        proofs = self.auth.identity
        for method in proofs.methods:
            if getattr(proofs, method) is None:
                raise ValueError(f"auth.identity.{method} is required, because methods names it.")
        user = proofs.password.user if proofs.password and "password" in proofs.methods else None
        key = proofs.application_credential if "application_credential" in proofs.methods else None
        return Login(
            methods=tuple(dict.fromkeys(proofs.methods)),
            user=_ref(user or (key.user if key else None)),
            password=user.password if user else "",
            token=proofs.token.id if proofs.token and "token" in proofs.methods else "",
            credential=Ref(id=key.id, name=key.name) if key else Ref(),
            secret=key.secret if key else "",
            scope=_scope(self.auth.scope),
        )


def _ref(name: UserName | ProjectName | None) -> Ref:
    if name is None:
        return Ref()
    domain = name.domain or DomainName()
    return Ref(id=name.id, name=name.name, domain_id=domain.id, domain_name=domain.name)


def _scope(part: ScopePart | str | None) -> Scope:
    if part is None:
        return Scope()
    if isinstance(part, str):
        return Scope(kind="unscoped")
    named = [kind for kind in ("project", "domain", "system") if getattr(part, kind) is not None]
    if len(named) != 1:
        raise ValueError("auth.scope must name exactly one of project, domain and system.")
    if part.project is not None:
        return Scope(kind="project", ref=_ref(part.project))
    if part.domain is not None:
        return Scope(kind="domain", ref=Ref(id=part.domain.id, name=part.domain.name))
    return Scope(kind="system")


# --- the rest ------------------------------------------------------------------------------------


class PasswordPair(Body):
    original_password: Secret
    password: Secret


class PasswordBody(Body):
    user: PasswordPair


class RoleName(Body):
    id: Id | None = None
    name: Long | None = None


class NewCredential(Body):
    name: Long
    secret: Secret | None = None
    description: Text | None = None
    expires_at: Annotated[str, Field(max_length=40)] | None = None
    roles: Annotated[list[RoleName], Field(max_length=100)] | None = None
    unrestricted: Flag = False
    project_id: Id | None = None
    access_rules: Annotated[list[Any], Field(max_length=0)] | None = None
    """Not supported: only the empty list is taken, because a rule that is not kept would be a trap."""


class CredentialBody(Body):
    application_credential: NewCredential
