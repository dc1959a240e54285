"""Tokens, and what a token could be asked for."""

from __future__ import annotations

from flask import Blueprint, Response, request

from novalite.api.middleware import public
from novalite.api.policy import authorize
from novalite.context import Context
from novalite.errors import BadRequest, NotFound, Unauthorized
from novalite.identity.api.http import answer, body, caller, identity, link, listing, nothing, peer
from novalite.identity.api.records import with_links
from novalite.identity.api.schemas import AuthBody
from novalite.identity.claims import Claims, as_body, render_catalog
from novalite.objects.base import Record


def add_routes(bp: Blueprint) -> None:
    """/v3/auth/…"""
    path = "/v3/auth/tokens"
    bp.add_url_rule(path, "create_token", create, methods=["POST"])
    bp.add_url_rule(path, "show_token", show, methods=["GET"])
    bp.add_url_rule(path, "revoke_token", revoke, methods=["DELETE"])
    bp.add_url_rule("/v3/auth/catalog", "show_catalog", catalog)
    for kind in ("projects", "domains", "system"):
        bp.add_url_rule(f"/v3/auth/{kind}", f"auth_{kind}", scopes, defaults={"kind": kind})


@public
def create() -> Response:
    """Log in."""
    try:
        login = body(AuthBody).login()
    except ValueError as error:
        raise BadRequest(str(error)) from None
    made = peer().authenticate(Context(), login, catalog="nocatalog" not in request.args)
    return _told(made["body"], made["token"], 201)


def show() -> Response:
    """What a token says; 404 when it says nothing any more."""
    claims = _subject()
    with_catalog = "nocatalog" not in request.args and claims.scoped
    return _told(as_body(claims, _catalog_of(claims) if with_catalog else None), _subject_header())


def revoke() -> Response:
    """End a token."""
    claims = _subject(rule="identity:revoke_token")
    peer().revoke(caller(), claims.audit_ids[0])
    identity().changed()
    return nothing()


def catalog() -> Response:
    """The catalog of the caller's own token."""
    claims = identity().claims(request.headers["X-Auth-Token"])
    links = {"self": link("auth/catalog"), "next": None, "previous": None}
    return answer({"catalog": _catalog_of(claims) if claims.scoped else [], "links": links})


def scopes(kind: str) -> Response:
    """What the caller could ask a token for."""
    ctx = caller()
    if ctx.user_id is None:
        raise Unauthorized
    found = peer().scopes(ctx, ctx.user_id)[kind]
    if kind != "system":
        found = [with_links(kind[:-1], record) for record in found]
    return listing(kind, found)


def _subject_header() -> str:
    token = request.headers.get("X-Subject-Token")
    if not token:
        raise BadRequest("The header X-Subject-Token is required.")
    return token


def _subject(rule: str = "identity:validate_token") -> Claims:
    try:
        claims = identity().claims(_subject_header())
    except Unauthorized:
        authorize(rule, {"user_id": caller().user_id or ""})
        raise NotFound("Could not find token.") from None
    if claims.user is None:
        raise NotFound("Could not find token.")
    authorize(rule, {"user_id": claims.user.id})
    return claims


def _catalog_of(claims: Claims) -> list[Record]:
    project = claims.project.id if claims.project else None
    return render_catalog(identity().catalog(), project, claims.user.id if claims.user else None)


def _told(token: Record, subject: str, status: int = 200) -> Response:
    return answer({"token": token}, status, X_Subject_Token=subject, Vary="X-Auth-Token")
