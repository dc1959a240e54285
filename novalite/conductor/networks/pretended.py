"""Hosts whose guests are pretended, and their networks with them: there is nothing to make, and nobody to tell."""

from __future__ import annotations

from sqlalchemy.orm import Session

from novalite.conductor.networks.host_view import host_networks
from novalite.db.networks import hosts, placing
from novalite.objects.host_networks import CarriedRouter, HostRouter


def pretend(session: Session, host: str) -> None:
    """Such a host carries the routers it is given as soon as it has them."""
    wanted = host_networks(host, hosts.facts(session, host))
    placing.carried(session, host, [_carried(one) for one in wanted.routers])


def _carried(router: HostRouter) -> CarriedRouter:
    there = {leg.port_id for leg in router.legs if leg.admin_up}
    return CarriedRouter(
        id=router.id,
        whole=router.admin_up,
        port_ids=tuple(sorted(there)),
        floating=router.floating if router.admin_up and router.gateway in there else (),
    )
