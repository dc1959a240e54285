"""What carries networks: each VXLAN or VLAN number, and each untagged physical network, is given once."""

from __future__ import annotations

import random
from collections.abc import Sequence

from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from novalite.db.models.networks import SegmentId
from novalite.objects.network_errors import NoSegmentLeft, SegmentInUse

_TRIES = 8
Offer = tuple[str, str, int, int]
"""Type, physical network ("" for none), first and last number."""


def take(session: Session, network_id: str, network_type: str, physical: str | None, number: int) -> None:
    """This very segment; SegmentInUse when it is another network's."""
    if not _insert(session, network_id, network_type, physical or "", number):
        raise SegmentInUse(network_type=network_type, segmentation_id=number)


def any_of(session: Session, network_id: str, offers: Sequence[Offer]) -> tuple[str, str | None, int]:
    """A free segment of the first offer that has one: type, physical network, number. NoSegmentLeft."""
    for network_type, physical, low, high in offers:
        for _ in range(_TRIES):
            number = random.randint(low, high)
            if _insert(session, network_id, network_type, physical, number):
                return network_type, physical or None, number
        row = SegmentId
        same = (row.network_type == network_type, row.physical_network == physical)
        used = set(session.scalars(select(row.segmentation_id).where(*same)))
        for number in (one for one in range(low, high + 1) if one not in used):
            if _insert(session, network_id, network_type, physical, number):
                return network_type, physical or None, number
    raise NoSegmentLeft


def _insert(session: Session, network_id: str, network_type: str, physical: str, number: int) -> bool:
    row = {"network_type": network_type, "physical_network": physical, "segmentation_id": number}
    try:
        with session.begin_nested():
            session.execute(insert(SegmentId).values(network_id=network_id, **row))
    except IntegrityError:
        return False
    return True


def give_back(session: Session, network_id: str) -> None:
    """The network's segment is free."""
    session.execute(delete(SegmentId).where(SegmentId.network_id == network_id))
