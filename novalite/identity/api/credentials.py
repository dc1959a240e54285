"""Application credentials of a user."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Blueprint, Response, request

from novalite.api.policy import authorize
from novalite.errors import BadRequest, Forbidden
from novalite.identity.api.http import answer, body, caller, identity, link, listing, nothing, peer
from novalite.identity.api.schemas import CredentialBody
from novalite.objects.base import Record

_NOUN = "application_credential"


def add_routes(bp: Blueprint) -> None:
    """/v3/users/<user_id>/application_credentials"""
    path = "/v3/users/<user_id>/application_credentials"
    bp.add_url_rule(path, "list_credentials", page, methods=["GET"])
    bp.add_url_rule(path, "create_credential", create, methods=["POST"])
    one = f"{path}/<credential_id>"
    bp.add_url_rule(one, "show_credential", show, methods=["GET"])
    bp.add_url_rule(one, "delete_credential", delete, methods=["DELETE"])


def _seen(user_id: str, record: Record) -> Record:
    place = f"users/{user_id}/application_credentials/{record['id']}"
    return record | {"links": {"self": link(place)}, "access_rules": []}


def page(user_id: str) -> Response:
    """All of the user's."""
    authorize("identity:list_application_credentials", {"user_id": user_id})
    found = peer().app_credentials(caller(), user_id, request.args.get("name"))
    return listing(f"{_NOUN}s", [_seen(user_id, record) for record in found])


def show(user_id: str, credential_id: str) -> Response:
    """One."""
    authorize("identity:get_application_credential", {"user_id": user_id})
    return answer({_NOUN: _seen(user_id, peer().app_credential(caller(), user_id, credential_id))})


def create(user_id: str) -> Response:
    """A new one, for the project of the token; the secret is shown this once."""
    authorize("identity:create_application_credential", {"user_id": user_id})
    _refuse_restricted()
    given = body(CredentialBody).application_credential
    ctx = caller()
    if ctx.project_id is None:
        raise BadRequest("An application credential is made with a token for a project; this one has none.")
    if given.project_id not in (None, ctx.project_id):
        raise BadRequest("project_id must be the project of the token.")
    values = given.model_dump(exclude_unset=True, exclude={"access_rules", "expires_at"})
    values |= {"project_id": ctx.project_id, "expires_at": _moment(given.expires_at)}
    if values.get("roles"):
        values["roles"] = [{k: v for k, v in role.items() if v is not None} for role in values["roles"]]
    made = peer().create_app_credential(ctx, user_id, values)
    return answer({_NOUN: _seen(user_id, made)}, 201)


def delete(user_id: str, credential_id: str) -> Response:
    """Its tokens end too."""
    authorize("identity:delete_application_credential", {"user_id": user_id})
    _refuse_restricted()
    peer().delete_app_credential(caller(), user_id, credential_id)
    identity().changed()
    return nothing()


def _refuse_restricted() -> None:
    """A leaked credential must not be able to make itself another."""
    if identity().claims(request.headers["X-Auth-Token"]).restricted:
        raise Forbidden("A restricted application credential may not manage application credentials.")


def _moment(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        plain = moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    except (ValueError, OverflowError):
        raise BadRequest("expires_at must be a time such as 2030-01-31T10:00:00.") from None
    return plain.isoformat(timespec="microseconds")
