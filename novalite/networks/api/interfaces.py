"""Interfaces of routers: subnets joined and parted."""

from __future__ import annotations

from flask import Blueprint, Response

from novalite.api.policy import authorize
from novalite.api.routing import read_json
from novalite.api.schemas import Body, parse
from novalite.networks.api.http import VERSION, answer, caller, peer
from novalite.networks.api.values import Uuid
from novalite.objects.base import Record


class Interface(Body):
    subnet_id: Uuid | None = None
    port_id: Uuid | None = None


def add_routes(bp: Blueprint) -> None:
    """/v2.0/routers/<id>/add_router_interface and remove_router_interface"""
    one = "/v2.0/routers/<router_id>"
    bp.add_url_rule(f"{one}/add_router_interface", "add_interface", add, methods=["PUT"])
    bp.add_url_rule(f"{one}/remove_router_interface", "remove_interface", remove, methods=["PUT"])


def _wanted() -> Record:
    return dict(parse(Interface, read_json(), VERSION).model_dump(exclude_none=True))


def _view(record: Record) -> Record:
    return record | {"tenant_id": record["project_id"]}


def add(router_id: str) -> Response:
    """Join."""
    authorize("add_router_interface")
    return answer(_view(peer().add_interface(caller(), router_id, _wanted())))


def remove(router_id: str) -> Response:
    """Part."""
    authorize("remove_router_interface")
    return answer(_view(peer().remove_interface(caller(), router_id, _wanted())))
