"""What the daemons of a split cloud are told: one small file each, none more than it needs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

Options = Mapping[str, str]


def write_config(path: Path, options: Options) -> Path:
    """Write `section.option` → value as an ini file that only we may read."""
    sections: dict[str, list[str]] = {}
    for key, value in options.items():
        section, _, name = key.rpartition(".")
        sections.setdefault(section, []).append(f"{name} = {value}")
    text = "\n".join(f"[{section}]\n" + "\n".join(lines) + "\n" for section, lines in sections.items())
    return write_private(path, text)


def write_private(path: Path, text: str) -> Path:
    """Write a file with secrets in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
    return path


def write_credentials(state: Path, url: str, password: str) -> None:
    """`openrc` for shells and `clouds.yaml` (cloud `novalite`) for clients."""
    auth = {
        "auth_url": f"{url}/identity/v3",
        "username": "admin",
        "password": password,
        "project_name": "admin",
        "user_domain_name": "Default",
        "project_domain_name": "Default",
    }
    lines = [f"export OS_{key.upper()}={value}" for key, value in auth.items()]
    extra = ["export OS_IDENTITY_API_VERSION=3", "export OS_REGION_NAME=RegionOne"]
    write_private(state / "openrc", "\n".join([*lines, *extra, ""]))
    entries = [f"      {key}: {value}" for key, value in auth.items()]
    cloud = ["clouds:", "  novalite:", "    region_name: RegionOne", "    auth:"]
    write_private(state / "clouds.yaml", "\n".join([*cloud, *entries, ""]))
