"""Where hosts are reached by the packets of networks."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from novalite.db.models.base import Base, UtcDateTime, now


class NetworkHost(Base):
    """A host that has asked for its networks; `address` is its end of tunnels, said first or anew at
    `said_at`."""

    __tablename__ = "network_hosts"

    host: Mapped[str] = mapped_column(String(255), primary_key=True)
    address: Mapped[str] = mapped_column(String(64))
    said_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
