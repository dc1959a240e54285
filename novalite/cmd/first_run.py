"""The first start of an all-in-one: database, administrator, credentials. Later starts find them there."""

from __future__ import annotations

import logging
import os
import secrets
from pathlib import Path
from typing import Any

LOG = logging.getLogger(__name__)
REGION = "RegionOne"


def prepare(conf: Any, state: Path, url: str) -> None:
    """Make sure that the database, the administrator and `clouds.yaml` exist and name `url`."""
    from novalite.conductor.manager import open_database

    if not conf.database.connection:
        keep_private(state / "novalite.db")
    db = open_database(conf)
    try:
        fresh = make_schema(db)
        marker = state / "bootstrapped"
        network = conf.networks.service == "embedded"
        written = f"{url} network" if network else url
        if fresh or not marker.exists() or marker.read_text() != written:
            from novalite.conductor.bootstrap import bootstrap

            password = admin_password(state)
            bootstrap(db, password, url, REGION, network=network)
            write_credentials(state, url, password)
            marker.write_text(written)
    finally:
        db.close()


def make_schema(db: Any) -> bool:
    """Bring the database to this release's revision; True when it was empty."""
    from novalite.db import schema

    before, after = schema.sync(db)
    if before != after:
        LOG.info("The database is at revision %s: %s", after, db.url.render_as_string(hide_password=True))
    return before is None


def admin_password(state: Path) -> str:
    """The administrator's password: made once, kept in `admin-password` of the state folder."""
    path = state / "admin-password"
    if path.exists():
        return path.read_text().strip()
    password = secrets.token_urlsafe(12)
    write_private(path, f"{password}\n")
    return password


def write_credentials(state: Path, url: str, password: str) -> None:
    """`openrc` for shells and `clouds.yaml` (cloud `novalite`) for clients, readable by their owner only."""
    auth = {
        "auth_url": f"{url}/identity/v3",
        "username": "admin",
        "password": password,
        "project_name": "admin",
        "user_domain_name": "Default",
        "project_domain_name": "Default",
    }
    exports = [f"export OS_{key.upper()}='{value}'" for key, value in auth.items()]
    exports += ["export OS_IDENTITY_API_VERSION=3", f"export OS_REGION_NAME={REGION}"]
    write_private(state / "openrc", "\n".join([*exports, ""]))
    entry = ["clouds:", "  novalite:", f"    region_name: {REGION}", "    auth:"]
    lines = [f'      {key}: "{value}"' for key, value in auth.items()]
    write_private(state / "clouds.yaml", "\n".join([*entry, *lines, ""]))


def keep_private(path: Path) -> None:
    """Make a SQLite file only its owner can read (SQLite's other files take over its mode): it holds
    signing keys and password hashes."""
    if not path.exists():
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step, mode 0600 from its first byte."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
    temporary.rename(path)
