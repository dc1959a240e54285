"""The reshaper: inventories and what is held of them move together, at once."""

from __future__ import annotations

from novalite.objects.placement import InventoryChange
from novalite.placement.api import schemas
from novalite.placement.api.allocations import wanted
from novalite.placement.api.http import NOTHING, Answer, Call, peer
from novalite.placement.api.routing import Routes
from novalite.placement.values import canonical

ROUTES = Routes()


@ROUTES.add("POST", "/reshaper", since=30, policy="placement:reshaper:reshape")
def reshape(call: Call) -> Answer:
    """These providers have exactly these inventories, and these consumers hold exactly this, from now on."""
    body = call.body(schemas.reshape(call.minor))
    inventories = {
        canonical(uuid): InventoryChange(
            inventories=one["inventories"], generation=one["resource_provider_generation"]
        )
        for uuid, one in body["inventories"].items()
    }
    held = [wanted(consumer, one, call.minor) for consumer, one in body["allocations"].items()]
    peer().reshape(call.ctx, inventories, held)
    return NOTHING
