"""PCI devices as a table of text: what there is on which host, and who has it."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import select

from novalite.db import pci
from novalite.db.models.migrations import Migration
from novalite.db.session import Database
from novalite.objects.base import Record

HEADS = ("HOST", "ADDRESS", "KIND", "DEVICE", "CLASS", "NUMA", "NETWORK", "DRIVER", "ALIAS", "HOLDER")


def lines(db: Database, host: str | None = None) -> Iterator[str]:
    """A head and a line for each device, in columns."""
    with db.read() as session:
        found = pci.listing(session, host)
        holders = [one["holder"] for one in found if one["holder"]]
        query = select(Migration.uuid, Migration.server_id).where(Migration.uuid.in_(holders))
        kept = {row.uuid: row.server_id for row in session.execute(query)}
    held = [one for one in found if one["holder"]]
    whole, split = ({(one["host"], one[what]) for one in held} for what in ("address", "parent"))
    rows: list[tuple[str, ...]] = [HEADS]
    for one in found:
        free = "in parts" if (one["host"], one["address"]) in split else "free"
        rows.append(_row(one, kept, "with its whole" if (one["host"], one["parent"]) in whole else free))
    widths = [max(len(row[at]) for row in rows) for at in range(len(HEADS))]
    for row in rows:
        yield "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()


def _row(one: Record, kept: dict[str, str], free: str) -> tuple[str, ...]:
    """`free`: what is said of a device without holder."""
    holder = one["holder"]
    if holder in kept:
        holder = f"server {kept[holder]} until its migration is confirmed"
    elif holder:
        holder = f"server {holder}"
    return (
        one["host"], one["address"], one["kind"], f"{one['vendor_id']}:{one['product_id']}", one["class_id"] or "-",
        "-" if one["numa_node"] is None else str(one["numa_node"]), one["physical_network"] or "-",
        one["driver"] or "-", one["alias"] or "-", (holder or free) + (" (gone)" if one["gone"] else ""),
    )  # fmt: skip
