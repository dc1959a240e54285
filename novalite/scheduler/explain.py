"""Why: for every host, the filter that refused it in words, or its weights and rank; how many servers would fit, and
what would have to be otherwise for one to fit. Pure, made on demand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from novalite.objects.scheduling import Explanation, RequestSpec, Verdict
from novalite.scheduler.columns import Hosts
from novalite.scheduler.pipeline import Filter, Plan, filters_for, select, shortlist
from novalite.scheduler.ranking import Ranking
from novalite.scheduler.request import need

FITS_COUNTED_TO = 1000
"""Servers that are counted at most when it is asked how many would fit."""
ROOM = {
    "CoreFilter": ("free_vcpus", "total_vcpus", "vCPUs"),
    "RamFilter": ("free_ram_mb", "total_ram_mb", "MB of memory"),
    "DiskFilter": ("free_disk_gb", "free_disk_gb", "GB of disk"),
}
"""Filters over room: what is free, what a single server may have, and its unit."""
ROOM |= {f"Aggregate{name}": columns for name, columns in ROOM.items()}
SUGGESTIONS = 3


def explain(plan: Plan, hosts: Hosts, spec: RequestSpec, most: int | None = None) -> list[Verdict]:
    """The hosts that pass, best first; then the others, in filter order. At most `most` of those that pass, and as
    many of those that each filter refuses."""
    filters = filters_for(plan, spec)
    passed: list[Verdict] = []
    refused: list[Verdict] = []
    left = np.arange(len(hosts))
    for name, one in filters.items():
        still, _ = shortlist({name: one}, hosts.take(left), spec)
        for at in np.delete(left, still)[:most].tolist():
            why = one.why(hosts.row(at), spec)
            refused.append(Verdict(host=hosts.name(at), node=hosts.node(at), refused_by=name, why=why))
        left = left[still]
    kept = hosts.take(left)
    ranking = Ranking(plan.weighers, kept, spec)
    if len(ranking):
        parts = ranking.parts
        for rank, at in enumerate(np.argsort(-ranking.totals, kind="stable")[:most].tolist(), 1):
            weights = {name: float(part[at]) for name, part in parts.items()}
            total = float(ranking.totals[at])
            passed.append(Verdict(host=kept.name(at), node=kept.node(at), rank=rank, weight=total, weights=weights))
    return passed + refused


def what_if(plan: Plan, hosts: Hosts, spec: RequestSpec, most_hosts: int) -> Explanation:
    """What would become of a request; `hosts` is a snapshot, which nobody waits for."""
    filters = filters_for(plan, spec)
    rows, refused = shortlist(filters, hosts, spec)
    one = spec.model_copy(update={"count": FITS_COUNTED_TO})
    fits = len(select(plan, hosts, one).selections)
    kinds = 1 + sum(1 for number in refused.values() if number)
    told = explain(plan, hosts, spec, max(1, most_hosts // kinds))[:most_hosts]
    return Explanation(
        considered=len(hosts), passed=len(rows), fits=fits, fits_counted_to=FITS_COUNTED_TO, refused=refused,
        nearly=() if fits >= spec.count else nearly(filters, hosts, spec), hosts=tuple(told),
        hosts_left_out=len(hosts) - len(told),
    )  # fmt: skip


def nearly(filters: Mapping[str, Filter], hosts: Hosts, spec: RequestSpec) -> tuple[str, ...]:
    """What would have to be otherwise for one more server, the least first: each a sentence without host names.

    The hosts that the fewest filters refuse are looked at; of equals, what would do for most of them comes first.
    """
    if not len(hosts):
        return ()
    masks = {name: np.broadcast_to(one.passes(hosts, spec), (len(hosts),)) for name, one in filters.items()}
    against = [name for name, mask in masks.items() if not mask.all()]
    if not against:
        return ()
    table = np.array([~masks[name] for name in against])
    number = table.sum(axis=0)
    least = int(number.min())
    if least == 0:
        return ()
    near = np.flatnonzero(number == least)
    sets = Counter(tuple(column) for column in table[:, near].T.tolist())
    found = []
    for pattern, hits in sets.most_common(SUGGESTIONS):
        names = [name for name, on in zip(against, pattern, strict=True) if on]
        places = near[(np.array(pattern) == table[:, near].T).all(axis=1)]
        found.append(_sentence(names, hosts.take(places), spec, hits))
    return tuple(found)


def _sentence(names: list[str], hosts: Hosts, spec: RequestSpec, hits: int) -> str:
    where = "1 host" if hits == 1 else f"{hits} hosts"
    if all(name in ROOM for name in names):
        most = _largest(names, hosts, spec)
        sizes = " and ".join(f"{most[name]} instead of {_wanted(name, spec)} {ROOM[name][2]}" for name in names)
        return f"It would fit with at most {sizes}."
    return f"It would fit on {where} if not for {' and '.join(names)}."


def _wanted(name: str, spec: RequestSpec) -> int:
    vcpus, ram_mb, disk_gb = need(spec)
    return {"free_vcpus": vcpus, "free_ram_mb": ram_mb, "free_disk_gb": disk_gb}[ROOM[name][0]]


def _largest(names: Iterable[str], hosts: Hosts, spec: RequestSpec) -> dict[str, int]:
    """What the host has that falls least short of what is wanted, in proportion."""
    room: dict[str, NDArray[np.int64]] = {}
    share = np.ones(len(hosts))
    for name in names:
        free, whole, _ = ROOM[name]
        room[name] = np.maximum(0, np.minimum(getattr(hosts, free), getattr(hosts, whole)))
        share = np.minimum(share, room[name] / _wanted(name, spec))
    best = int(share.argmax())
    return {name: int(column[best]) for name, column in room.items()}
