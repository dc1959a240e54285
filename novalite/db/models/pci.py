"""PCI devices of hosts, and who has them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Boolean, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from novalite.db.models.base import TABLE, Base, UtcDateTime, now


class PciDevice(Base):
    """One device that may be given, or that was given and is `gone`. `holder` is a server or a migration, as in
    `allocations`. Whoever writes here holds the host's row: so claims, releases and reports follow each other."""

    __tablename__ = "pci_devices"
    __table_args__ = (UniqueConstraint("host", "address"), TABLE)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    host: Mapped[str] = mapped_column(String(255))
    address: Mapped[str] = mapped_column(String(16))
    vendor_id: Mapped[str] = mapped_column(String(4))
    product_id: Mapped[str] = mapped_column(String(4))
    kind: Mapped[str] = mapped_column(String(16))
    class_id: Mapped[str] = mapped_column(String(8), default="")
    numa_node: Mapped[int | None] = mapped_column(Integer)
    parent: Mapped[str | None] = mapped_column(String(16))
    driver: Mapped[str | None] = mapped_column(String(64))
    interface: Mapped[str | None] = mapped_column(String(64))
    physical_network: Mapped[str | None] = mapped_column(String(64))
    trusted: Mapped[bool] = mapped_column(Boolean, default=False)
    managed: Mapped[bool] = mapped_column(Boolean, default=True)
    holder: Mapped[str | None] = mapped_column(String(36), index=True)
    alias: Mapped[str | None] = mapped_column(String(255))
    gone: Mapped[bool] = mapped_column(Boolean, default=False)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
