"""Which aggregates a provider is in, as named by the Placement API. A host is also in those of the compute API, which
only that API changes."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from novalite.db.models.placement import ProviderAggregate
from novalite.db.placement import providers
from novalite.objects.placement import Provider

PARTS = frozenset({"aggregates"})


def write(session: Session, uuid: str, aggregates: Iterable[str], seen: int | None, counted: bool) -> Provider:
    """The provider is in exactly these from now on (a host also in those of the compute API). With `counted` its
    generation grows, from `seen`: ConcurrentUpdate."""
    provider = providers.find(session, uuid)
    if counted:
        providers.grow(session, provider, seen)
    else:
        providers.hold(session, provider)
    row = ProviderAggregate
    before = set(session.scalars(select(row.aggregate_uuid).where(row.provider_uuid == uuid)))
    after = set(aggregates)
    if gone := before - after:
        session.execute(delete(row).where(row.provider_uuid == uuid, row.aggregate_uuid.in_(sorted(gone))))
    if new := sorted(after - before):
        session.execute(insert(row), [{"provider_uuid": uuid, "aggregate_uuid": one} for one in new])
    return providers.find(session, uuid, PARTS)
