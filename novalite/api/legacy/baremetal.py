"""/os-baremetal-nodes: a proxy to a service this cloud does not have, up to 2.35."""

from __future__ import annotations

from typing import Any

from novalite.api.routing import Call, Result, Routes
from novalite.errors import BadRequest, NotImplementedHere

ROUTES = Routes()
RULE = "os_compute_api:os-baremetal-nodes:"
LAST = 35


@ROUTES.get("/os-baremetal-nodes", until=LAST, policy=RULE + "list")
def index(call: Call) -> Result:
    """Nodes would be listed by a bare metal service."""
    raise NotImplementedHere("This cloud has no bare metal service.")


@ROUTES.get("/os-baremetal-nodes/<node_id>", until=LAST, policy=RULE + "show")
def show(call: Call, node_id: str) -> Result:
    """Likewise."""
    raise NotImplementedHere("This cloud has no bare metal service.")


def _refused(call: Call, **_: Any) -> Result:
    """The proxy never changed anything."""
    raise BadRequest("Bare metal nodes cannot be changed here; ask the bare metal service.")


ROUTES.post("/os-baremetal-nodes", until=LAST, policy=RULE + "list")(_refused)
ROUTES.delete("/os-baremetal-nodes/<node_id>", until=LAST, policy=RULE + "list")(_refused)
ROUTES.post("/os-baremetal-nodes/<node_id>/action", policy=RULE + "list")(_refused)
