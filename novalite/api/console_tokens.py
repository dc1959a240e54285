"""What a console token stands for, which console proxies ask: /os-console-auth-tokens.

Tokens are made when a console is opened by its proxy; as long as none makes one, none is known.
"""

from __future__ import annotations

from novalite.api.paging import Query
from novalite.api.routing import Call, Result, Routes
from novalite.errors import NotFound

ROUTES = Routes()
RULE = "os_compute_api:os-console-auth-tokens"


@ROUTES.get("/os-console-auth-tokens/<token>", policy=RULE, query=Query(strict_since=99))
def show(call: Call, token: str) -> Result:
    """Host and port of a console."""
    raise NotFound("Token not found")
