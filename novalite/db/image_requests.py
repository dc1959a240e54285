"""Images that hosts were asked to fetch beforehand: kept until a host has one, so that no message is needed twice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from novalite.db.models.aggregates import ImageRequest


def add(session: Session, hosts: Iterable[str], image_ids: Sequence[str], look_at: float) -> None:
    """Note the wish; one that is open already begins anew."""
    wanted = {(host, image_id) for host in hosts for image_id in image_ids}
    if not wanted:
        return
    here = [ImageRequest.host.in_({host for host, _ in wanted}), ImageRequest.image_id.in_(image_ids)]
    session.execute(delete(ImageRequest).where(*here))
    rows = [
        {"host": host, "image_id": image, "asks": 1, "look_at": look_at} for host, image in sorted(wanted)
    ]
    session.execute(insert(ImageRequest), rows)


def overdue(session: Session, at: float, limit: int = 200) -> list[tuple[str, str, int]]:
    """(host, image, asks) of wishes whose `look_at` has passed, longest overdue first."""
    rows = session.execute(
        select(ImageRequest.host, ImageRequest.image_id, ImageRequest.asks)
        .where(ImageRequest.look_at < at)
        .order_by(ImageRequest.look_at)
        .limit(limit)
    )
    return [(row[0], row[1], int(row[2])) for row in rows]


def asked_again(session: Session, host: str, image_id: str, asks: int, look_at: float) -> bool:
    """Note that the host is asked once more; False when another conductor was first."""
    same: list[Any] = [
        ImageRequest.host == host,
        ImageRequest.image_id == image_id,
        ImageRequest.asks == asks,
    ]
    done = session.execute(update(ImageRequest).where(*same).values(asks=asks + 1, look_at=look_at))
    return bool(done.rowcount)  # type: ignore[attr-defined]


def forget(session: Session, host: str, image_id: str | None = None) -> None:
    """The host has the image, or it is given up; without an image: the host is no more."""
    where = [ImageRequest.host == host]
    if image_id is not None:
        where.append(ImageRequest.image_id == image_id)
    session.execute(delete(ImageRequest).where(*where))
