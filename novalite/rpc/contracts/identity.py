"""The embedded identity service, as API workers ask the conductor for it. Policy is checked by the API."""

from __future__ import annotations

from novalite.context import Context
from novalite.objects.base import Record
from novalite.objects.identity import AssignmentQuery, Grant, Login
from novalite.rpc.contracts.base import Contract, call, fanout


class Identity(Contract, topic="conductor", namespace="identity", version="1.0"):
    """Records are what the Identity API shows, without links. `noun` is a key of objects.identity.NOUNS."""

    @call()
    def authenticate(self, ctx: Context, login: Login, catalog: bool = True) -> Record:
        """{token, body}: a new token and its public JSON. Unauthorized, and never why."""
        raise NotImplementedError

    @call(timeout=10)
    def keys(self, ctx: Context) -> dict[str, str]:
        """Public keys, base64, by kid: what verifies tokens."""
        raise NotImplementedError

    @call(timeout=10)
    def revocations(self, ctx: Context, since: str | None = None) -> Record:
        """See identity.tokens.TokenSource.revocations."""
        raise NotImplementedError

    @call()
    def revoke(self, ctx: Context, audit_id: str) -> None:
        """Make the token with this audit id void."""
        raise NotImplementedError

    @call(timeout=10)
    def catalog(self, ctx: Context) -> list[Record]:
        """Enabled services with their enabled endpoints; addresses not filled in."""
        raise NotImplementedError

    @call()
    def scopes(self, ctx: Context, user_id: str) -> Record:
        """{projects, domains, system}: what the user could ask a token for."""
        raise NotImplementedError

    @call()
    def page(
        self,
        ctx: Context,
        noun: str,
        filters: dict[str, str | bool | None],
        limit: int | None = None,
        marker: str | None = None,
    ) -> list[Record]:
        """Records by id. Filters are keys of Noun.filters; None matches records without the value."""
        raise NotImplementedError

    @call()
    def show(self, ctx: Context, noun: str, record_id: str) -> Record:
        """NotFound otherwise."""
        raise NotImplementedError

    @call()
    def create(self, ctx: Context, noun: str, values: Record) -> Record:
        """Conflict when the name (or a region's id) is taken; BadRequest or NotFound for bad references."""
        raise NotImplementedError

    @call()
    def update(self, ctx: Context, noun: str, record_id: str, values: Record) -> Record:
        """Change what `values` names. Disabling and new passwords revoke tokens."""
        raise NotImplementedError

    @call()
    def delete(self, ctx: Context, noun: str, record_id: str) -> None:
        """With everything that depends on it. Forbidden for an enabled domain or a project with children."""
        raise NotImplementedError

    @call()
    def change_password(self, ctx: Context, user_id: str, original: str, password: str) -> None:
        """Unauthorized when `original` is wrong."""
        raise NotImplementedError

    @call()
    def add_member(self, ctx: Context, group_id: str, user_id: str) -> None:
        """Also when the user is a member already."""
        raise NotImplementedError

    @call()
    def remove_member(self, ctx: Context, group_id: str, user_id: str) -> None:
        """NotFound when the user is no member."""
        raise NotImplementedError

    @call()
    def is_member(self, ctx: Context, group_id: str, user_id: str) -> bool:
        """Whether the user is in the group."""
        raise NotImplementedError

    @call()
    def grant(self, ctx: Context, grant: Grant, role_id: str) -> None:
        """Give a role; also when it is given already. NotFound for an unknown actor, target or role."""
        raise NotImplementedError

    @call()
    def ungrant(self, ctx: Context, grant: Grant, role_id: str) -> None:
        """Take a role back and revoke tokens that have it. NotFound when it was not given."""
        raise NotImplementedError

    @call()
    def granted(self, ctx: Context, grant: Grant) -> list[Record]:
        """Roles given in exactly this way."""
        raise NotImplementedError

    @call()
    def assignments(self, ctx: Context, query: AssignmentQuery) -> list[Record]:
        """Role assignments as the API shows them, without links."""
        raise NotImplementedError

    @call()
    def implied_roles(self, ctx: Context) -> list[list[Record]]:
        """Every [prior role, implied role]."""
        raise NotImplementedError

    @call()
    def imply(self, ctx: Context, prior_id: str, implied_id: str) -> None:
        """Whoever has the prior role shall have the implied one; also when that is so already."""
        raise NotImplementedError

    @call()
    def unimply(self, ctx: Context, prior_id: str, implied_id: str) -> None:
        """NotFound when it was not implied."""
        raise NotImplementedError

    @call()
    def app_credentials(self, ctx: Context, user_id: str, name: str | None = None) -> list[Record]:
        """Those of one user, without secrets."""
        raise NotImplementedError

    @call()
    def app_credential(self, ctx: Context, user_id: str, credential_id: str) -> Record:
        """One of them; NotFound otherwise."""
        raise NotImplementedError

    @call()
    def create_app_credential(self, ctx: Context, user_id: str, values: Record) -> Record:
        """The record with its secret, this once. `values`: name, project_id, secret?, description?,
        expires_at?, roles? ([{id or name}], default all), unrestricted?."""
        raise NotImplementedError

    @call()
    def delete_app_credential(self, ctx: Context, user_id: str, credential_id: str) -> None:
        """Its tokens end too."""
        raise NotImplementedError


class IdentityNews(Contract, topic="api", namespace="identity_news", version="1.0"):
    """conductor -> every API worker. A lost message costs one revocation poll interval."""

    @fanout()
    def revoked(self, ctx: Context, events: list[list[str | int]]) -> None:
        """Tokens that are void from now on: [key, issued_before µs]."""
        raise NotImplementedError
