"""How a guest in memory is given another flavor: what its disks were is kept beside it, until that is settled."""

from __future__ import annotations

from typing import Any, Protocol

from novalite.errors import DriverError, FlavorDiskTooSmall
from novalite.objects.flavors import Flavor

MIB = 1 << 20
KEPT, BACK, GONE = "kept", "put back", "confirmed"
"""What became of the old disks."""


class Resizable(Protocol):
    """The part of a guest that a resize changes. `aside`: {"migration", "state", "root_mb"} of the last one."""

    vcpus: int
    ram_mb: int
    root_mb: int
    aside: dict[str, Any] | None


def grow(guest: Resizable, flavor: Flavor, migration: str) -> None:
    """Its root disk is that of the flavor (0: stays), the old one aside."""
    if guest.aside and guest.aside["state"] == KEPT:
        if guest.aside["migration"] == migration:
            return
        settle(guest, flavor)
    wanted = flavor.disk_gb * 1024 or guest.root_mb
    if wanted < guest.root_mb:
        raise FlavorDiskTooSmall(flavor_bytes=wanted * MIB, image_bytes=guest.root_mb * MIB)
    guest.aside = {"migration": migration, "state": KEPT, "root_mb": guest.root_mb}
    guest.root_mb = wanted


def settle(guest: Resizable, flavor: Flavor) -> None:
    """Old disks of a resize that nobody goes on with: back, or gone, whichever the flavor fits."""
    if not guest.aside or guest.aside["state"] != KEPT:
        return
    back = flavor.disk_gb * 1024 == guest.aside["root_mb"] != guest.root_mb
    if back:
        guest.root_mb = guest.aside["root_mb"]
    guest.aside = {**guest.aside, "state": BACK if back else GONE}


def put_back(guest: Resizable, migration: str) -> None:
    """The old disk is in place again."""
    if not guest.aside or guest.aside["migration"] != migration:
        guest.aside = {"migration": migration, "state": BACK, "root_mb": guest.root_mb}
    if guest.aside["state"] == GONE:
        raise DriverError(reason="the old disks are gone, because the resize was confirmed")
    if guest.aside["state"] == KEPT:
        guest.root_mb = guest.aside["root_mb"]
    guest.aside = {**guest.aside, "state": BACK}


def drop(guest: Resizable, migration: str) -> None:
    """The old disk is gone."""
    if guest.aside and guest.aside["migration"] == migration:
        if guest.aside["state"] == BACK:
            raise DriverError(reason="the old disks have been put back; revert the resize again")
        guest.aside = {**guest.aside, "state": GONE}
