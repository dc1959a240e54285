"""Security groups of a server: GET /servers/{id}/os-security-groups. The network service answers."""

from __future__ import annotations

from novalite.api.legacy.security_groups import GROUP
from novalite.api.routing import Call, Result, Routes
from novalite.api.runtime import runtime
from novalite.api.servers.access import load

ROUTES = Routes()
RULE = "os_compute_api:os-security-groups:list"


@ROUTES.get("/servers/<server_id>/os-security-groups", policy=RULE, answer={"security_groups": [GROUP]})
def index(call: Call, server_id: str) -> Result:
    """Groups of its ports."""
    found = runtime().networks.groups_of(call.ctx, load(call, server_id, RULE))
    return {"security_groups": GROUP.show_all(found, call.see())}
