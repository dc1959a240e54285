"""Tables of Placement: what the compute core does not know of itself.

Hosts are resource providers too, but not rows here: `hosts` says what they have, `allocations` what servers take of
it (db/placement/hosts.py reads them as providers). Here is what operators and other services make: providers,
also below a host, their inventories, traits and aggregates, custom names, and what consumers hold of all that.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Double, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from novalite.db.models.base import TABLE, Base, UtcDateTime, now


class ResourceProvider(Base):
    """Something that gives resources. `generation` grows with every change of it or of what is taken from it.
    `root_uuid` and `parent_uuid` may be those of a host."""

    __tablename__ = "resource_providers"

    uuid: Mapped[str] = mapped_column(String(36), primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    generation: Mapped[int] = mapped_column(BigInteger, default=0)
    root_uuid: Mapped[str] = mapped_column(String(36), index=True)
    parent_uuid: Mapped[str | None] = mapped_column(String(36), index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class ProviderInventory(Base):
    """How much of a class a provider has. `used` is the sum of what consumers hold of it, so that taking is one
    statement that compares (as with `hosts`)."""

    __tablename__ = "provider_inventories"

    provider_uuid: Mapped[str] = mapped_column(String(36), primary_key=True)
    resource_class: Mapped[str] = mapped_column(String(255), primary_key=True, index=True)
    total: Mapped[int] = mapped_column(Integer)
    reserved: Mapped[int] = mapped_column(Integer)
    min_unit: Mapped[int] = mapped_column(Integer)
    max_unit: Mapped[int] = mapped_column(Integer)
    step_size: Mapped[int] = mapped_column(Integer)
    allocation_ratio: Mapped[float] = mapped_column(Double)
    capacity: Mapped[int] = mapped_column(BigInteger)
    used: Mapped[int] = mapped_column(BigInteger, default=0)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class ProviderTrait(Base):
    """A trait of a provider that is no host."""

    __tablename__ = "provider_traits"

    provider_uuid: Mapped[str] = mapped_column(String(36), primary_key=True)
    trait: Mapped[str] = mapped_column(String(255), primary_key=True, index=True)


class ProviderAggregate(Base):
    """A provider, host or not, in an aggregate that was named by the Placement API."""

    __tablename__ = "provider_aggregates"

    provider_uuid: Mapped[str] = mapped_column(String(36), primary_key=True)
    aggregate_uuid: Mapped[str] = mapped_column(String(36), primary_key=True, index=True)


class CustomTrait(Base):
    """A trait that is not standard."""

    __tablename__ = "custom_traits"

    name: Mapped[str] = mapped_column(String(255), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class CustomResourceClass(Base):
    """A resource class that is not standard."""

    __tablename__ = "custom_resource_classes"

    name: Mapped[str] = mapped_column(String(255), primary_key=True)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class Consumer(Base):
    """Who holds something, as told by the Placement API. Servers and migrations have a row only when somebody
    gave them something by that API."""

    __tablename__ = "consumers"
    __table_args__ = (Index(None, "project_id", "user_id"), TABLE)

    uuid: Mapped[str] = mapped_column(String(36), primary_key=True)
    project_id: Mapped[str] = mapped_column(String(255))
    user_id: Mapped[str] = mapped_column(String(255))
    consumer_type: Mapped[str | None] = mapped_column(String(255))
    generation: Mapped[int] = mapped_column(BigInteger, default=1)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class ConsumerAllocation(Base):
    """What a consumer holds of an inventory in `provider_inventories`."""

    __tablename__ = "consumer_allocations"

    consumer_uuid: Mapped[str] = mapped_column(String(36), primary_key=True)
    provider_uuid: Mapped[str] = mapped_column(String(36), primary_key=True, index=True)
    resource_class: Mapped[str] = mapped_column(String(255), primary_key=True)
    amount: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
