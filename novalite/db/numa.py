"""Which cells, CPUs and pages of a host servers have. Where to put one is decided by `scheduler.numa`.

A guest's place is text in its claim, so it goes, moves and is kept aside with that. `hosts.numa_used` and `used_pcpus`
repeat what the claims of a host take together, for schedulers. Whoever writes here has locked the host's row before,
as a claim and a release do by their arithmetic.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from novalite.db.models.compute import Allocation, Host
from novalite.objects import numa
from novalite.objects.numa import HostTopology, Placed

Numbers = tuple[tuple[int, int], tuple[int, int]]
"""(capacity, total) of vCPUs and of MB of memory."""


def cells(session: Session, host: str) -> tuple[HostTopology | None, Numbers]:
    """What a host has, and what of it may be given; None when it tells of no cells."""
    text, *numbers = session.execute(
        select(Host.numa, Host.cap_vcpus, Host.vcpus, Host.cap_ram_mb, Host.ram_mb).where(Host.host == host)
    ).one()
    cap_vcpus, vcpus, cap_ram_mb, ram_mb = numbers
    return (numa.topology(text) if text else None), ((cap_vcpus, vcpus), (cap_ram_mb, ram_mb))


def of_host(session: Session, host: str) -> dict[str, Placed]:
    """By server, or migration, its place on a host; those that have one."""
    query = select(Allocation.server_id, Allocation.numa).where(Allocation.host == host, Allocation.numa.is_not(None))
    return {holder: numa.placed(text) for holder, text in session.execute(query) if text}


def held(session: Session, host: str, holders: Collection[str]) -> Placed | None:
    """The place of the first of these holders that has a claim on the host; None when that has none there."""
    query = select(Allocation.server_id, Allocation.numa).where(
        Allocation.host == host, Allocation.server_id.in_(list(holders))
    )
    found = {row.server_id: row.numa for row in session.execute(query)}
    text = next((found[holder] for holder in holders if holder in found), None)
    return numa.placed(text) if text else None


def give(session: Session, host: str, server_id: str, place: Placed) -> None:
    """The server has this place from now on. Its claim on the host was taken in this transaction."""
    session.execute(
        update(Allocation)
        .where(Allocation.server_id == server_id, Allocation.host == host)
        .values(numa=place.model_dump_json(), pcpus=place.pcpus)
        .execution_options(synchronize_session=False)
    )
    tell(session, host)


def tell(session: Session, host: str) -> None:
    """Write down what is in use, as schedulers hear it; nothing where nobody has a place."""
    places = of_host(session, host).values()
    use = numa.in_use(places).model_dump_json() if places else None
    session.execute(
        update(Host)
        .where(Host.host == host)
        .values(numa_used=use, used_pcpus=sum(one.pcpus for one in places))
        .execution_options(synchronize_session=False)
    )
