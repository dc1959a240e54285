"""/os-volumes_boot: another name of /servers, up to 2.102."""

from __future__ import annotations

from dataclasses import replace

from novalite.api.routing import Routes
from novalite.api.servers.routes import ROUTES as SERVERS

ROUTES = Routes()
LAST = 102

for _row in SERVERS.rows:
    ROUTES.rows.append(replace(_row, path=_row.path.replace("/servers", "/os-volumes_boot", 1), until=LAST))
