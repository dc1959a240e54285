"""Tables of host aggregates; a zone is an aggregate with the metadata key availability_zone."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Double, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from novalite.db.models.base import Base, JsonText, UtcDateTime, now
from novalite.db.models.compute import new_id


class Aggregate(Base):
    """A named set of hosts with metadata that filters and weighers read."""

    __tablename__ = "aggregates"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True, default=new_id)
    name: Mapped[str] = mapped_column(String(255), unique=True)
    aggregate_metadata: Mapped[Any] = mapped_column("metadata", JsonText, default=dict)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    updated_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class AggregateHost(Base):
    """A host in an aggregate."""

    __tablename__ = "aggregate_hosts"

    aggregate_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    host: Mapped[str] = mapped_column(String(255), primary_key=True, index=True)


class ImageRequest(Base):
    """An image that a host was asked to fetch beforehand; the row goes when the host has it or it is given up.

    `look_at` (seconds since the epoch) is when to ask again, `asks` how often that was done.
    """

    __tablename__ = "image_requests"

    host: Mapped[str] = mapped_column(String(255), primary_key=True)
    image_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    asks: Mapped[int] = mapped_column(Integer, default=0)
    look_at: Mapped[float] = mapped_column(Double, default=0.0, index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
