"""The whole tree of a server: OpenStack's and EC2's side by side."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from novalite.guest_metadata import ec2, openstack
from novalite.guest_metadata.folders import Folder
from novalite.objects.servers import GuestSpec

SEED_BYTES = 512


@dataclass(frozen=True)
class Vendor:
    """What the operator adds: `static` is the same for every server, `dynamic` what each service asked said of it."""

    static: Mapping[str, Any] = field(default_factory=dict)
    dynamic: Mapping[str, Any] = field(default_factory=dict)


def new_seed() -> str:
    """Randomness for a guest that has none of its own yet; another one each time it is asked for."""
    return base64.b64encode(os.urandom(SEED_BYTES)).decode()


def tree(spec: GuestSpec, seed: str, vendor: Vendor | None = None, password: str = "") -> Folder:
    """Everything that the guest of `spec` may read. `password`: what it has left, encrypted with its key."""
    vendor = vendor or Vendor()
    return Folder({
        **ec2.versions(spec),
        "openstack": openstack.folder(spec, seed, vendor.static, vendor.dynamic, password),
    })
