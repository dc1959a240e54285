"""What must be true of CPUs, cells and pages that servers have; see check.py."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from novalite.db import numa as places
from novalite.db.models.compute import Allocation, Host
from novalite.objects import cpu_sets
from novalite.objects.numa import HostUse, in_use, use


def cpus_are_given_once(session: Session) -> Iterator[str]:
    """A dedicated CPU is one server's, or one migration's."""
    for host in _hosts(session):
        owner: dict[int, str] = {}
        for holder, place in sorted(places.of_host(session, host).items()):
            for cpu in sorted(place.cpus):
                other = owner.setdefault(cpu, holder)
                if other != holder:
                    yield f"CPU {cpu} of host {host} is given to {other} and to {holder}."


def use_of_cells_is_told(session: Session) -> Iterator[str]:
    """Each host repeats what its claims take of its cells: schedulers read it there."""
    rows = session.execute(select(Host.host, Host.numa_used, Host.used_pcpus))
    told = {host: (text, pcpus) for host, text, pcpus in rows}
    for host in _hosts(session):
        if host not in told:
            continue  # claims on hosts that do not exist are told elsewhere
        text, pcpus = told[host]
        found = places.of_host(session, host)
        wanted = in_use(found.values()) if found else HostUse()
        if use(text) != wanted:
            yield f"Host {host} tells that {use(text)} of its cells is in use, but its claims take {wanted}."
        number = sum(place.pcpus for place in found.values())
        if pcpus != number:
            yield f"Host {host} counts {pcpus} dedicated CPUs as used, but its claims add up to {number}."
    for host, holder, pcpus, text in session.execute(
        select(Allocation.host, Allocation.server_id, Allocation.pcpus, Allocation.numa).where(
            or_(Allocation.pcpus > 0, Allocation.numa.is_not(None))
        )
    ):
        has = places.numa.placed(text).pcpus if text else 0
        if has != pcpus:
            yield f"The claim of {holder} on host {host} counts {pcpus} dedicated CPUs, but its place has {has}."


def pinned_cpus_are_offered(session: Session) -> Iterator[str]:
    """Who has a CPU that its host does not dedicate any more should be moved, or rebuilt there."""
    for host, text in session.execute(select(Host.host, Host.numa).where(Host.numa_used.is_not(None))).all():
        cells = places.numa.topology(text).cells if text else ()
        offered = {cpu for cell in cells for cpu in cpu_sets.parse(cell.dedicated)}
        for holder, place in places.of_host(session, host).items():
            pins = {cpu for cell in place.cells for _, cpu in cell.pins} - offered
            if pins:
                yield f"{holder} has CPU {cpu_sets.spell(pins)} of host {host}, which it does not dedicate any more."


def _hosts(session: Session) -> list[str]:
    """Hosts on which somebody has a place, or that say so."""
    held = select(Allocation.host).where(Allocation.numa.is_not(None)).distinct()
    said = select(Host.host).where(or_(Host.numa_used.is_not(None), Host.used_pcpus != 0))
    return sorted({*session.scalars(held), *session.scalars(said)})
