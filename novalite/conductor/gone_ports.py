"""Ports that were deleted under a running server: its guest is to have them no more."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from novalite.conductor import periodic
from novalite.conductor.env import Env
from novalite.context import Context
from novalite.db import interfaces
from novalite.objects.base import Record
from novalite.objects.host_networks import Vif

LOG = logging.getLogger(__name__)


def unplug(env: Env, ctx: Context, ports: Iterable[Record]) -> None:
    """Begin to detach each from the guest that has it; records are as the ports were. A server that is busy, or in
    a state where interfaces do not go, keeps a dead card until its guest is defined anew (a hard reboot)."""
    for port in ports:
        if not interfaces.plugged(port):
            continue
        vif = Vif(port_id=port["id"], mac=port["mac_address"], network_id=port["network_id"], tag=port["tag"])
        told = {"port_id": port["id"], "vif": vif.model_dump(mode="json")}
        if not periodic.begin(env, ctx, port["device_id"], "detach_interface", **told):
            LOG.warning("Port %s is gone, but the guest of server %s keeps its card", port["id"], port["device_id"])
