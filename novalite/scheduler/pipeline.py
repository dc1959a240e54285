"""Decide: shortlist with filters, rank with weighers, pick with alternates. Pure; no clock, bus or lock."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from novalite.objects.hosts import HostRow
from novalite.objects.scheduling import Candidate, RequestSpec, Selection, Selections
from novalite.scheduler.columns import Column, Hosts, Indices, Mask
from novalite.scheduler.filters.target import ForcedHost, NotAgain, RequestedHost
from novalite.scheduler.ranking import Ranking, best
from novalite.scheduler.request import need


class Filter(Protocol):
    """Says which hosts are fit. One with `slow = True` is shown only the hosts that others left over."""

    def passes(self, hosts: Hosts, spec: RequestSpec) -> Mask:
        """One bool per host, or plain True when the request does not ask. A host's answer may depend
        on that host and the request only, because a second server rechecks changed hosts alone."""

    def why(self, host: HostRow, spec: RequestSpec) -> str:
        """Why this host is refused: what was needed, what was found."""


class Weigher(Protocol):
    """Says which hosts are preferred: more is better."""

    def weigh(self, hosts: Hosts, spec: RequestSpec) -> Column | float:
        """One number per host, in any unit; the pipeline brings it to 0..1 over the shortlist. A plain float
        when the request does not ask: it weighs nothing then."""

    def multiplier(self, hosts: Hosts) -> Column | float:
        """How much it counts, for all or host by host."""


@dataclass(frozen=True)
class Plan:
    """What configuration makes of the pipeline: filters and weighers by name, in order, and how to pick."""

    filters: Mapping[str, Filter]
    weighers: Mapping[str, Weigher]
    alternates: int = 3
    subset: int = 1
    shuffle: bool = False
    rng: random.Random = field(default_factory=random.Random)


def filters_for(plan: Plan, spec: RequestSpec, avoid: Sequence[str] = ()) -> Mapping[str, Filter]:
    """The filters of this request, which would rather not have the hosts in `avoid`.

    An administrator's forced host skips all filters (API guide: "Availability zones", forcing a host);
    a requested host comes before them.
    """
    if spec.forced_host or spec.forced_node:
        return {"ForcedHost": ForcedHost()}
    first: dict[str, Filter] = {"NotAgain": NotAgain(avoid)} if avoid else {}
    if spec.requested_host or spec.requested_node:
        first = {"RequestedHost": RequestedHost(), **first}
    return {**first, **plan.filters} if first else plan.filters


def shortlist(
    filters: Mapping[str, Filter], hosts: Hosts, spec: RequestSpec
) -> tuple[Indices, dict[str, int]]:
    """The hosts that pass every filter, and how many each filter refused, in filter order."""
    refused = dict.fromkeys(filters, 0)
    alive: NDArray[np.bool_] | None = None
    left = len(hosts)
    for name, one in filters.items():
        if not left:
            break
        mask = _narrow(one, hosts, spec, alive) if getattr(one, "slow", False) else one.passes(hosts, spec)
        if mask is True:
            continue
        alive = np.broadcast_to(np.asarray(mask, bool), (len(hosts),)) if alive is None else alive & mask
        still = int(np.count_nonzero(alive))
        refused[name] = left - still
        left = still
    rows = np.arange(len(hosts)) if alive is None else np.flatnonzero(alive)
    return rows, refused


def _narrow(one: Filter, hosts: Hosts, spec: RequestSpec, alive: NDArray[np.bool_] | None) -> Mask:
    """The answer of a slow filter, asked only about hosts that are still in the running."""
    if alive is None:
        return one.passes(hosts, spec)
    rows = np.flatnonzero(alive)
    mask = np.zeros(len(hosts), dtype=bool)
    mask[rows] = one.passes(hosts.take(rows), spec)
    return mask


def select(plan: Plan, hosts: Hosts, spec: RequestSpec, avoid: Sequence[str] = ()) -> Selections:
    """Hosts for `spec.count` servers, best first, each with alternates.

    The second and later servers see the earlier ones: only the host just picked is filtered and
    weighed again, which gives the same answer as doing everything again.
    """
    filters = filters_for(plan, spec, avoid)
    rows, refused = shortlist(filters, hosts, spec)
    kept = hosts if spec.count == 1 and len(rows) == len(hosts) else hosts.take(rows)
    ranking = Ranking(plan.weighers, kept, spec)
    late: Counter[str] = Counter()
    picks: list[Selection] = []
    while len(ranking):
        order = _pick(plan, ranking)
        picks.append(_selection(kept, ranking, order))
        if len(picks) == spec.count:
            break
        place = order[0]
        at = int(ranking.members[place])
        kept.debit(at, *need(spec))
        changed = kept.take(np.array([at]))
        refuser = first_refusal(filters, changed, spec)
        if refuser is None:
            ranking.reweigh(place, changed, spec)
        else:
            late[refuser] += 1
            ranking.drop(place)
    if len(picks) < spec.count:
        refused = {name: n + late[name] for name, n in refused.items()}
    return Selections(selections=tuple(picks), considered=len(hosts), refused=refused)


def first_refusal(filters: Mapping[str, Filter], one: Hosts, spec: RequestSpec) -> str | None:
    """Name of the first filter that refuses this single host; None when it passes them all."""
    for name, asked in filters.items():
        mask = asked.passes(one, spec)
        if not (mask if isinstance(mask, bool) else mask.all()):
            return name
    return None


def _pick(plan: Plan, ranking: Ranking) -> list[int]:
    """Places of the ranking: the chosen host, then its alternates in order of preference."""
    rng = plan.rng if plan.shuffle else None
    order = best(ranking.totals, plan.subset + plan.alternates, rng)
    first = order.pop(plan.rng.randrange(min(plan.subset, len(order)))) if plan.subset > 1 else order.pop(0)
    return [first, *order[: plan.alternates]]


def _selection(kept: Hosts, ranking: Ranking, order: list[int]) -> Selection:
    candidates = []
    for place in order:
        at = int(ranking.members[place])
        candidates.append(
            Candidate(
                host=kept.name(at),
                node=kept.node(at),
                generation=int(kept.generation[at]),
                weight=float(ranking.totals[place]),
            )
        )
    return Selection(candidates=tuple(candidates))
