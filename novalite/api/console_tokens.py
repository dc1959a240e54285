"""What a console token stands for, which console proxies of others ask: /os-console-auth-tokens."""

from __future__ import annotations

from novalite.api.paging import Query
from novalite.api.routing import Call, Result, Routes
from novalite.api.runtime import runtime
from novalite.api.shapes import Part
from novalite.errors import Unauthorized
from novalite.objects.consoles import digest
from novalite.rpc.contracts.consoles import Consoles

ROUTES = Routes()
RULE = "os_compute_api:os-console-auth-tokens"
EVERY_TYPE, TLS_PORT = 31, 99
SHAPE = {
    "instance_uuid": str,
    "host": str,
    "port": int,
    "tls_port": Part(int | None, since=TLS_PORT),
    "internal_access_path": str | None,
}


@ROUTES.get(
    "/os-console-auth-tokens/<token>", policy=RULE, query=Query(strict_since=99), answer={"console": SHAPE}
)
def show(call: Call, token: str) -> Result:
    """Host and port of a console. Up to 2.30 only RDP consoles are shown, and there are none."""
    found = runtime().peer(Consoles).show(call.ctx, digest(token))
    if call.minor < EVERY_TYPE:
        raise Unauthorized("The requested console type details are not accessible")
    where = found.address
    tls_port = {"tls_port": where.port if where.tls else None} if call.minor >= TLS_PORT else {}
    return {
        "console": {
            "instance_uuid": found.server_id, "host": where.host, "port": where.port, **tls_port,
            "internal_access_path": None,
        }
    }  # fmt: skip
