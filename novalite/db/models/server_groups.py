"""Tables of server groups and their members."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from novalite.db.models.base import TABLE, Base, JsonText, UtcDateTime, now
from novalite.db.models.compute import new_id


class ServerGroup(Base):
    """Servers that are to be together or apart. `rules` may hold max_server_per_host."""

    __tablename__ = "server_groups"
    __table_args__ = (Index(None, "project_id", "id"), TABLE)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True, default=new_id)
    name: Mapped[str] = mapped_column(String(255))
    project_id: Mapped[str] = mapped_column(String(64))
    user_id: Mapped[str] = mapped_column(String(64))
    policy: Mapped[str] = mapped_column(String(32))
    rules: Mapped[Any] = mapped_column(JsonText, default=dict)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class ServerGroupMember(Base):
    """A server in a group (`group_id` is the group's uuid)."""

    __tablename__ = "server_group_members"

    group_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    server_id: Mapped[str] = mapped_column(String(36), primary_key=True, index=True)
