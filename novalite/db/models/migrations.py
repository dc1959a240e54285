"""Table of migrations: every resize and every move of a server between hosts (API reference, os-migrations)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from novalite.db.models.base import TABLE, Base, JsonText, UtcDateTime, now
from novalite.db.models.compute import new_id


class Migration(Base):
    """One resize or move. `migration_type`: resize, migration, live-migration, evacuation.

    `memory_*` and `disk_*` are bytes of a live migration's progress. Flavors are kept whole, and by the integer
    that old clients know them by.
    """

    __tablename__ = "migrations"
    __table_args__ = (Index(None, "server_id", "id"), Index(None, "status", "updated_at"), TABLE)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True, default=new_id)
    server_id: Mapped[str] = mapped_column(String(36))
    project_id: Mapped[str | None] = mapped_column(String(64))
    user_id: Mapped[str | None] = mapped_column(String(64))
    migration_type: Mapped[str] = mapped_column(String(16))
    status: Mapped[str] = mapped_column(String(32))
    source_host: Mapped[str | None] = mapped_column(String(255), index=True)
    source_node: Mapped[str | None] = mapped_column(String(255))
    dest_host: Mapped[str | None] = mapped_column(String(255), index=True)
    dest_node: Mapped[str | None] = mapped_column(String(255))
    dest_ip: Mapped[str | None] = mapped_column(String(64))
    old_flavor_number: Mapped[int | None] = mapped_column(Integer)
    new_flavor_number: Mapped[int | None] = mapped_column(Integer)
    old_flavor: Mapped[Any] = mapped_column(JsonText, nullable=True)
    new_flavor: Mapped[Any] = mapped_column(JsonText, nullable=True)
    hidden: Mapped[bool] = mapped_column(default=False)
    memory_total: Mapped[int | None] = mapped_column(BigInteger)
    memory_processed: Mapped[int | None] = mapped_column(BigInteger)
    memory_remaining: Mapped[int | None] = mapped_column(BigInteger)
    disk_total: Mapped[int | None] = mapped_column(BigInteger)
    disk_processed: Mapped[int | None] = mapped_column(BigInteger)
    disk_remaining: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    updated_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
