"""What a token says, and how that becomes few bytes, a Context, or the public JSON. Pure."""

from __future__ import annotations

import base64
import time
import uuid
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson

from novalite.context import Context
from novalite.objects.base import Record
from novalite.objects.identity import revocation_key


class Scoped(NamedTuple):
    """A user or project with the domain it belongs to."""

    id: str
    name: str
    domain_id: str
    domain_name: str

    def as_json(self) -> Record:
        """As clients see it."""
        return {"id": self.id, "name": self.name, "domain": {"id": self.domain_id, "name": self.domain_name}}


class Named(NamedTuple):
    """A domain or role."""

    id: str
    name: str


@dataclass(frozen=True)
class Claims:
    """The content of one token. Times in microseconds since the epoch; at most one scope is set."""

    issued: int
    expires: int
    user: Scoped | None = None
    project: Scoped | None = None
    domain: Named | None = None
    system: bool = False
    roles: tuple[Named, ...] = ()
    methods: tuple[str, ...] = ("password",)
    audit_ids: tuple[str, ...] = ()
    password_expires_at: str | None = None
    app_cred_id: str | None = None
    restricted: bool = False
    """True for tokens of an application credential that may not manage application credentials."""
    image: str | None = None
    """Set: the token opens the bytes of this image and nothing else."""
    uploads: bool = False
    """True for a token that writes the bytes of `image`, which a token otherwise reads."""
    context: Context = field(default_factory=Context, compare=False, repr=False)

    @property
    def scoped(self) -> bool:
        """Whether the token has a project, a domain or the system."""
        return self.system or self.project is not None or self.domain is not None

    def revocation_keys(self) -> list[str]:
        """Every name under which this token could have been revoked; see objects.identity.revocation_key."""
        keys = [revocation_key("audit", a) for a in self.audit_ids[:1]]
        if self.user:
            keys += [revocation_key("user", self.user.id), revocation_key("domain", self.user.domain_id)]
            if self.system:
                keys.append(revocation_key("target", self.user.id, "all"))
        if self.user and self.project:
            keys.append(revocation_key("target", self.user.id, self.project.id))
            keys.append(revocation_key("project", self.project.id))
            keys.append(revocation_key("domain", self.project.domain_id))
        if self.user and self.domain:
            keys.append(revocation_key("target", self.user.id, self.domain.id))
            keys.append(revocation_key("domain", self.domain.id))
        if self.app_cred_id:
            keys.append(revocation_key("credential", self.app_cred_id))
        return keys


def new_audit_id() -> str:
    """A short random name for one token, safe to log."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()


def now_us() -> int:
    """Microseconds since the epoch."""
    return time.time_ns() // 1000


def iso_us(moment: int) -> str:
    """`2026-01-31T10:00:00.000000Z`."""
    seconds, micro = divmod(moment, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{micro:06d}Z"


# Key in the payload by field; short, because the token travels with every request.
_KEYS = {
    "i": "issued", "e": "expires", "u": "user", "p": "project", "d": "domain", "s": "system", "r": "roles",
    "m": "methods", "a": "audit_ids", "w": "password_expires_at", "c": "app_cred_id", "x": "restricted",
    "g": "image", "o": "uploads",
}  # fmt: skip
_DEFAULTS = Claims(0, 0)


def encode(claims: Claims) -> bytes:
    """Claims as JSON, compressed when that is smaller; the first byte tells which."""
    values = {k: getattr(claims, name) for k, name in _KEYS.items()}
    sparse = {k: v for k, v in values.items() if v != getattr(_DEFAULTS, _KEYS[k])}
    plain = orjson.dumps(sparse, default=list, option=orjson.OPT_PASSTHROUGH_SUBCLASS)
    small = zlib.compress(plain, 9)
    return b"\x02" + small if len(small) < len(plain) else b"\x01" + plain


def decode(payload: bytes) -> Claims:
    """The inverse of `encode`. Raises ValueError for bytes that `encode` did not make."""
    kind, rest = payload[:1], payload[1:]
    if kind not in (b"\x01", b"\x02"):
        raise ValueError("unknown token layout")
    try:
        raw = orjson.loads(_inflate(rest) if kind == b"\x02" else rest)
        values: dict[str, Any] = {_KEYS[k]: v for k, v in raw.items() if k in _KEYS}
        for name in ("user", "project"):
            if name in values:
                values[name] = Scoped(*values[name])
        if "domain" in values:
            values["domain"] = Named(*values["domain"])
        if "roles" in values:
            values["roles"] = tuple(Named(*r) for r in values["roles"])
        for name in ("methods", "audit_ids"):
            if name in values:
                values[name] = tuple(values[name])
        claims = Claims(**values)
    except (zlib.error, TypeError, AttributeError) as error:
        raise ValueError(str(error)) from error
    return replace(claims, context=as_context(claims))


def _inflate(data: bytes, limit: int = 65536) -> bytes:
    machine = zlib.decompressobj()
    plain = machine.decompress(data, limit)
    if not machine.eof:
        raise ValueError("token payload too large")
    return plain


def as_context(claims: Claims) -> Context:
    """Who asks, for policies and for the conductor. The request id is new; middleware sets its own."""
    user, project = claims.user, claims.project
    return Context(
        user_id=user.id if user else None,
        user_name=user.name if user else None,
        user_domain_id=user.domain_id if user else None,
        project_id=project.id if project else None,
        project_name=project.name if project else None,
        project_domain_id=project.domain_id if project else None,
        domain_id=claims.domain.id if claims.domain else None,
        system_scope="all" if claims.system else None,
        roles=tuple(r.name for r in claims.roles),
        only_image=claims.image,
        uploads=claims.uploads,
    )


def as_body(claims: Claims, catalog: list[Record] | None) -> Record:
    """The `token` object of the Identity API; `catalog` None leaves it out."""
    body: Record = {
        "methods": list(claims.methods),
        "user": None,
        "audit_ids": list(claims.audit_ids),
        "issued_at": iso_us(claims.issued),
        "expires_at": iso_us(claims.expires),
    }
    if claims.user:
        body["user"] = claims.user.as_json() | {"password_expires_at": claims.password_expires_at}
    if claims.project:
        body |= {"project": claims.project.as_json(), "is_domain": False}
    if claims.domain:
        body["domain"] = {"id": claims.domain.id, "name": claims.domain.name}
    if claims.system:
        body["system"] = {"all": True}
    if claims.app_cred_id:
        body["application_credential"] = {"id": claims.app_cred_id, "restricted": claims.restricted}
    if claims.scoped:
        body["roles"] = [{"id": r.id, "name": r.name} for r in claims.roles]
        if catalog is not None:
            body["catalog"] = catalog
    return body


def render_catalog(services: Iterable[Record], project_id: str | None, user_id: str | None) -> list[Record]:
    """The catalog with its addresses filled in; an address that needs a project is left out without one."""
    filled = []
    for service in services:
        addresses = [(e, _fill(e["url"], project_id, user_id)) for e in service["endpoints"]]
        filled.append(service | {"endpoints": [e | {"url": url} for e, url in addresses if url is not None]})
    return filled


def _fill(url: str, project_id: str | None, user_id: str | None) -> str | None:
    if "(" not in url:
        return url
    for name, value in (("project_id", project_id), ("tenant_id", project_id), ("user_id", user_id)):
        for form in (f"%({name})s", f"$({name})s"):
            if form in url:
                if value is None:
                    return None
                url = url.replace(form, value)
    return url
