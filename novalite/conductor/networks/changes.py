"""What compute hosts are told when something changed that they enforce. Told after commit; hosts also ask by
themselves once in a while, so that a lost message only costs time."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from novalite.conductor.env import Env
from novalite.context import Context

LOG = logging.getLogger(__name__)


def changed(env: Env, ctx: Context, hosts: Iterable[str] = (), network_ids: Iterable[str] = ()) -> None:
    """Ports, groups, subnets, routers or floating addresses changed on these hosts, and on every host that has a
    port of one of these networks. Never raises: what was changed is committed already."""
    LOG.debug("Networks changed on hosts %s and networks %s", sorted(set(hosts)), sorted(set(network_ids)))
    env.news.add(hosts, network_ids)
