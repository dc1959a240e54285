"""Versions, extensions and what kinds of records there are."""

from __future__ import annotations

from flask import Blueprint, Response

from novalite.api.middleware import public
from novalite.api.policy import authorize
from novalite.networks.api.http import answer, root
from novalite.networks.api.nouns import NOUNS
from novalite.objects.base import Record
from novalite.objects.network_errors import ExtensionNotFound

EXTENSIONS = {
    "allowed-address-pairs": "Addresses that a port may use besides its own",
    "auto-allocated-topology": "A network for those who name none",
    "availability_zone": "Availability zones",
    "binding": "Where and how a port is plugged in",
    "empty-string-filtering": "Filters by an empty value",
    "ext-gw-mode": "Address translation of routers on and off",
    "external-net": "Networks that lead outside",
    "extra_dhcp_opt": "DHCP options of a port",
    "extraroute": "Routes of a router",
    "filter-validation": "Unknown filters are refused",
    "fip-port-details": "What a floating IP points to",
    "ip-substring-filtering": "Ports by a part of their address",
    "net-mtu": "The size of packets that a network carries",
    "net-mtu-writable": "It may be chosen",
    "network_availability_zone": "Availability zones of networks",
    "pagination": "Lists in pages",
    "port-security": "Protection from false senders on and off",
    "project-id": "project_id beside tenant_id",
    "provider": "What carries a network",
    "quota_details": "Use beside limits",
    "quotas": "Limits of projects",
    "router": "Routers and floating IPs",
    "router_availability_zone": "Availability zones of routers",
    "security-group": "Security groups",
    "service-type": "Service providers",
    "sorting": "Lists in any order",
    "standard-attr-description": "Descriptions",
    "standard-attr-revisions": "How often a record was changed",
    "standard-attr-tag": "Tags",
    "standard-attr-timestamp": "When a record was made and changed",
    "stateful-security-group": "Groups that let answers through, or not",
    "subnet-service-types": "Subnets for some kinds of ports only",
}
"""What is served, by the alias that clients look for. An alias that is named is an alias that is tested."""
UPDATED = "2026-11-25T00:00:00-00:00"


def add_routes(bp: Blueprint) -> None:
    """/, /v2.0, /v2.0/extensions"""
    bp.add_url_rule("/", "versions", versions, methods=["GET"])
    bp.add_url_rule("/v2.0", "resources", resources, methods=["GET"])
    bp.add_url_rule("/v2.0/extensions", "extensions", extensions, methods=["GET"])
    bp.add_url_rule("/v2.0/extensions/<alias>", "extension", extension, methods=["GET"])


@public
def versions() -> Response:
    """The one version."""
    links = [{"rel": "self", "href": f"{root()}/v2.0/"}]
    return answer({"versions": [{"id": "v2.0", "status": "CURRENT", "links": links}]})


def resources() -> Response:
    """Every kind of record and where it is."""
    authorize("get_network")
    found = [
        {
            "name": noun.kind,
            "collection": noun.path,
            "links": [{"rel": "self", "href": f"{root()}/v2.0/{noun.path}"}],
        }
        for noun in NOUNS
    ]
    return answer({"resources": found})


def _view(alias: str) -> Record:
    name = EXTENSIONS[alias]
    return {"alias": alias, "name": name, "description": name, "updated": UPDATED, "links": []}


def extensions() -> Response:
    """All of them."""
    authorize("get_extension")
    return answer({"extensions": [_view(alias) for alias in EXTENSIONS]})


def extension(alias: str) -> Response:
    """One; clients ask for those they would use."""
    authorize("get_extension")
    if alias not in EXTENSIONS:
        raise ExtensionNotFound(alias=alias)
    return answer({"extension": _view(alias)})
