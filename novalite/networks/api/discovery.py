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
    "allowed-address-pairs": "Allowed Address Pairs",
    "auto-allocated-topology": "Auto Allocated Topology Services",
    "availability_zone": "Availability Zone",
    "binding": "Port Binding",
    "default-subnetpools": "Default Subnetpools",
    "empty-string-filtering": "Empty String Filtering Extension",
    "ext-gw-mode": "Neutron L3 Configurable external gateway mode",
    "external-net": "Neutron external network",
    "extra_dhcp_opt": "Neutron Extra DHCP options",
    "extraroute": "Neutron Extra Route",
    "filter-validation": "Filter parameters validation",
    "fip-port-details": "Floating IP Port Details Extension",
    "ip-substring-filtering": "IP address substring filtering",
    "net-mtu": "Network MTU",
    "net-mtu-writable": "Network MTU (writable)",
    "network_availability_zone": "Network Availability Zone",
    "pagination": "Pagination support",
    "port-security": "Port Security",
    "project-id": "project_id field enabled",
    "provider": "Provider Network",
    "quota-check-limit": "Quota engine limit check",
    "quota_details": "Quota details management support",
    "quotas": "Quota management support",
    "router": "Neutron L3 Router",
    "router_availability_zone": "Router Availability Zone",
    "security-group": "security-group",
    "service-type": "Neutron Service Type Management",
    "sorting": "Sorting support",
    "standard-attr-description": "standard-attr-description",
    "standard-attr-revisions": "Resource revision numbers",
    "standard-attr-tag": "Tag support for resources with standard attribute",
    "standard-attr-timestamp": "Resource timestamps",
    "stateful-security-group": "Stateful security group",
    "subnet-service-types": "Subnet service types",
    "subnet_allocation": "Subnet Allocation",
}
"""What is served: names by aliases, as published (Network API reference); clients look for either. An alias that is
named is an alias that is tested."""
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
