"""The network a project gets when it asks for one without saying which: with a subnet, and a router to the default
external network where there is one."""

from __future__ import annotations

from novalite.conductor.networks import plugs, services
from novalite.conductor.networks.work import Work
from novalite.db import quotas
from novalite.db.models.network_services import Router
from novalite.db.models.networks import Network
from novalite.db.networks import networks, routers, rows
from novalite.objects.base import Record
from novalite.objects.network_errors import NetworkNotFound

NETWORK, SUBNET, ROUTER = "auto_allocated_network", "auto_allocated_subnet_v4", "auto_allocated_router"


def find(work: Work, project_id: str) -> Record | None:
    """The one that was made before."""
    found = networks.fetch(work.session, Network.project_id == project_id, Network.name == NETWORK)
    return next(iter(found), None)


def ensure(work: Work, project_id: str) -> str:
    """The id of the network; of two that ask at once both get the same."""
    quotas.lock(work.session, f"topology:{project_id}")
    if (found := find(work, project_id)) is not None:
        return str(found["id"])
    owned = {"project_id": project_id}
    work.check_quota("network", [owned])
    work.check_quota("subnet", [owned])
    network = plugs.create_network(work, {**owned, "name": NETWORK})
    cidr = work.conf.auto_allocated_cidr
    values = {**owned, "network_id": network["id"], "name": SUBNET, "cidr": cidr, "ip_version": 4}
    subnet = plugs.create_subnet(work, values)
    outside = rows.first(work.session, Network, Network.external, Network.is_default)
    if outside is not None:
        work.check_quota("router", [owned])
        gateway = {"network_id": outside["id"]}
        router = services.create_router(work, {**owned, "name": ROUTER, "external_gateway_info": gateway})
        routers.add_subnet(work.session, router["id"], subnet)
        services.router_changed(work, router)
    return str(network["id"])


def remove(work: Work, project_id: str) -> None:
    """Everything that was made; NetworkNotFound when nothing was."""
    quotas.lock(work.session, f"topology:{project_id}")
    network = find(work, project_id)
    if network is None:
        raise NetworkNotFound(network_id=NETWORK)
    chosen = (Router.project_id == project_id) & (Router.name == ROUTER)
    for router in rows.fetch(work.session, Router, chosen):
        services.router_changed(work, router)
        for port in routers.interfaces(work.session, [router["id"]])[router["id"]]:
            if port["network_id"] == network["id"]:
                routers.drop_port(work.session, router["id"], port["id"])
        if not routers.interfaces(work.session, [router["id"]])[router["id"]]:
            services.delete_router(work, router["id"])
    plugs.delete_network(work, network["id"])
