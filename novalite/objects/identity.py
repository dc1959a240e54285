"""Identity as messages: how somebody logs in, and the table of record kinds the Identity API knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from novalite.objects.base import Message


class Ref(Message):
    """A user, project or domain as a login names it: by id, or by name within a domain."""

    id: str | None = None
    name: str | None = None
    domain_id: str | None = None
    domain_name: str | None = None


class Scope(Message):
    """What a token is asked for. `default`: the user's default project, or nothing."""

    kind: Literal["default", "unscoped", "project", "domain", "system"] = "default"
    ref: Ref = Ref()


class Login(Message):
    """One request for a token; every method that is named must succeed and mean the same user."""

    methods: tuple[Literal["password", "token", "application_credential"], ...]
    user: Ref = Ref()
    password: str = Field(default="", repr=False)
    token: str = Field(default="", repr=False)
    credential: Ref = Ref()
    secret: str = Field(default="", repr=False)
    scope: Scope = Scope()


class Grant(Message):
    """A role of a user or group on a project, a domain or the system (target_id "all").

    `inherited` roles count on the projects below the target, not on the target.
    """

    actor: Literal["user", "group"]
    actor_id: str
    target: Literal["project", "domain", "system"]
    target_id: str
    inherited: bool = False


class AssignmentQuery(Message):
    """Which role assignments to list. `effective`: groups, implied and inherited roles worked out."""

    user_id: str | None = None
    group_id: str | None = None
    role_id: str | None = None
    project_id: str | None = None
    domain_id: str | None = None
    system: bool = False
    inherited: bool | None = None
    effective: bool = False
    include_names: bool = False
    include_subtree: bool = False


def revocation_key(kind: str, *ids: str) -> str:
    """The name of a set of tokens that end together.

    Kinds: audit (one token), user, project, domain, credential, each with its id, and target with a user
    id and a project id, domain id or "all" for the system.
    """
    return ":".join((kind, *ids))


@dataclass(frozen=True)
class Noun:
    """One kind of record. `settable`: keys of a request body; `fixed`: those that never change again;
    `filters`: keys a list may be narrowed by."""

    name: str
    plural: str
    settable: frozenset[str]
    fixed: frozenset[str] = frozenset()
    filters: frozenset[str] = frozenset()


def _noun(name: str, settable: str, fixed: str = "", filters: str = "") -> Noun:
    keys = (frozenset(words.split()) for words in (settable, fixed, filters))
    return Noun(name, f"{name}s", *keys)


NOUNS = {
    noun.name: noun
    for noun in (
        _noun("domain", "name description enabled tags options", filters="name enabled"),
        _noun(
            "project",
            "name domain_id parent_id description enabled tags options",
            "domain_id parent_id",
            "name domain_id enabled parent_id tags tags-any not-tags not-tags-any",
        ),
        _noun(
            "user",
            "name domain_id enabled email description default_project_id password options",
            "domain_id",
            "name domain_id enabled group_id default_project_id",
        ),
        _noun("group", "name domain_id description", "domain_id", "name domain_id user_id"),
        _noun("role", "name domain_id description options", "domain_id", "name domain_id"),
        _noun("service", "type name description enabled", filters="type name"),
        _noun(
            "endpoint",
            "service_id interface url region_id enabled name description",
            filters="service_id interface region_id",
        ),
        _noun("region", "id description parent_region_id", "id", "parent_region_id"),
    )
}
"""Record kinds by singular name, as in the Identity API reference."""
