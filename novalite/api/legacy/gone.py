"""Routes that answer 410 at every version (API reference: APIs removed before 2.1's present form)."""

from __future__ import annotations

from novalite.api.routing import Call, Result, Routes
from novalite.api.shapes import Reply
from novalite.errors import Gone

ROUTES = Routes()

GONE = (
    ("/os-agents", "GET POST"),
    ("/os-agents/<id>", "PUT DELETE"),
    ("/os-cells", "POST GET"),
    ("/os-cells/capacities", "GET"),
    ("/os-cells/detail", "GET"),
    ("/os-cells/info", "GET"),
    ("/os-cells/sync_instances", "POST"),
    ("/os-cells/<id>", "GET PUT DELETE"),
    ("/os-cells/<id>/capacities", "GET"),
    ("/os-certificates", "POST"),
    ("/os-certificates/<id>", "GET"),
    ("/os-cloudpipe", "GET POST"),
    ("/os-cloudpipe/<id>", "PUT"),
    ("/os-fixed-ips/<id>", "GET"),
    ("/os-fixed-ips/<id>/action", "POST"),
    ("/os-floating-ip-dns", "GET"),
    ("/os-floating-ip-dns/<id>", "PUT DELETE"),
    ("/os-floating-ip-dns/<domain_id>/entries/<id>", "GET PUT DELETE"),
    ("/os-floating-ips-bulk", "GET POST"),
    ("/os-floating-ips-bulk/<id>", "GET PUT"),
    ("/os-fping", "GET"),
    ("/os-fping/<id>", "GET"),
    ("/os-networks", "POST"),
    ("/os-networks/add", "POST"),
    ("/os-networks/<network_id>", "DELETE"),
    ("/os-networks/<id>/action", "POST"),
    ("/os-security-group-default-rules", "GET POST"),
    ("/os-security-group-default-rules/<id>", "GET DELETE"),
    ("/os-tenant-networks", "POST"),
    ("/os-tenant-networks/<network_id>", "DELETE"),
    ("/servers/<server_id>/consoles", "GET POST"),
    ("/servers/<server_id>/consoles/<id>", "GET DELETE"),
    ("/servers/<server_id>/os-virtual-interfaces", "GET"),
)
"""Path, methods."""


def _gone(call: Call, **_: str) -> Result:
    """410, whatever is asked."""
    raise Gone


for _path, _methods in GONE:
    for _method in _methods.split():
        ROUTES.route(_method, _path, answer=Reply(410))(_gone)
