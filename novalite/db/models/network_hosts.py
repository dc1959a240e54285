"""Where hosts are reached by the packets of networks."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from novalite.db.models.base import Base, JsonText, UtcDateTime, now


class NetworkHost(Base):
    """A host that has asked for its networks; `address` is its end of tunnels, said first or anew at
    `said_at`. `physical_networks`: those that have an interface there; `carries_routers`: it may be given some."""

    __tablename__ = "network_hosts"

    host: Mapped[str] = mapped_column(String(255), primary_key=True)
    address: Mapped[str] = mapped_column(String(64))
    physical_networks: Mapped[Any] = mapped_column(JsonText, default=list)
    carries_routers: Mapped[bool] = mapped_column(default=False)
    said_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
