"""Decide: shortlist with filters, rank with weighers, pick with alternates. Pure; no clock, bus or lock."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from novalite.objects.base import made
from novalite.objects.hosts import HostRow
from novalite.objects.scheduling import Candidate, RequestSpec, Selection, Selections
from novalite.scheduler.columns import Column, Hosts, Indices, Mask
from novalite.scheduler.filters.target import ForcedHost, IgnoredHosts, NotAgain, RequestedHost
from novalite.scheduler.ranking import Ranking, numbers
from novalite.scheduler.request import need


class Filter(Protocol):
    """Says which hosts are fit. One with `slow = True` is shown only the hosts that others left over, and one with a
    method `asks(spec)` none at all when that says no; one with
    `static = True` answers the same of a host that has got a server more, and is not asked again then."""

    def passes(self, hosts: Hosts, spec: RequestSpec) -> Mask:
        """One bool per host, or plain True when the request does not ask. A host's answer may depend
        on that host and the request only, because a second server rechecks changed hosts alone."""

    def why(self, host: HostRow, spec: RequestSpec) -> str:
        """Why this host is refused: what was needed, what was found."""


class Weigher(Protocol):
    """Says which hosts are preferred: more is better."""

    def weigh(self, hosts: Hosts, spec: RequestSpec) -> Column | float:
        """One number per host, in any unit; the pipeline brings it to 0..1 over the shortlist. A plain float
        when the request does not ask: it weighs nothing then, whatever servers of this request go where."""

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
    a requested host comes before them. Hosts to ignore are left out in any case.
    """
    ignored: dict[str, Filter] = {"IgnoredHosts": IgnoredHosts()} if spec.ignored_hosts else {}
    if spec.forced_host or spec.forced_node:
        return {**ignored, "ForcedHost": ForcedHost()}
    first: dict[str, Filter] = {**ignored, "NotAgain": NotAgain(avoid)} if avoid else ignored
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
        if (asks := getattr(one, "asks", None)) is not None and not asks(spec):
            continue
        mask = _narrow(one, hosts, spec, alive) if getattr(one, "slow", False) else one.passes(hosts, spec)
        if mask is True:
            continue
        alive = _whole(mask, len(hosts)) if alive is None else alive & mask
        still = int(np.count_nonzero(alive))
        refused[name] = left - still
        left = still
    rows = np.arange(len(hosts)) if alive is None else np.flatnonzero(alive)
    return rows, refused


def _whole(mask: Mask, length: int) -> NDArray[np.bool_]:
    """A filter's first answer, one bool per host."""
    column = np.asarray(mask, bool)
    return column if column.shape == (length,) else np.broadcast_to(column, (length,))


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
    if spec.count == 1:
        kept = hosts if len(rows) == len(hosts) else hosts.take(rows)
        ranking = Ranking(plan.weighers, kept, spec)
        picks = [_Names(kept).selection(ranking, _pick(plan, ranking))] if len(ranking) else []
    else:
        several = _Several(plan, filters, hosts.take(rows), spec)
        picks = several.picks()
        if len(picks) < spec.count:
            refused = {name: n + several.late[name] for name, n in refused.items()}
    return made(
        Selections, selections=tuple(picks), considered=len(hosts), refused=refused, nearly=(), verdicts=(),
        problem=None,
    )  # fmt: skip


class _Several:
    """One request for many servers: places them one after the other on a shortlist of its own."""

    def __init__(self, plan: Plan, filters: Mapping[str, Filter], kept: Hosts, spec: RequestSpec) -> None:
        self.plan, self.filters, self.kept, self.spec = plan, filters, kept, spec
        self.late: Counter[str] = Counter()
        """Hosts that came to be refused on the way, by filter."""
        self._given: Counter[int] = Counter()
        self._rank()

    def _rank(self) -> None:
        plan = self.plan
        self.ranking = Ranking(plan.weighers, self.kept, self.spec)
        self.ranking.keep_front(plan.subset + plan.alternates, plan.rng if plan.shuffle else None)
        self._recheck = _minds_use(self.filters, self.kept, self.spec)
        self._names = _Names(self.kept)
        self._levels: dict[int, _Level] = {}
        self._levels_of = self.ranking.front

    def picks(self) -> list[Selection]:
        """As many as were asked for, or as there is room for."""
        found: list[Selection] = []
        while len(self.ranking):
            order = _pick(self.plan, self.ranking)
            found.append(self._names.selection(self.ranking, order))
            if len(found) == self.spec.count:
                break
            self._place(order[0])
        return found

    def _place(self, place: int) -> None:
        """One server is on the host at `place`."""
        group = self.spec.group
        if group is not None and not group.hosts:
            self._first_member(place)
            return
        self._given[place] += 1
        at, level = self._level(place)
        if (refuser := level.refused.get(at)) is not None:
            self.late[refuser] += 1
            self.ranking.drop(place)
        else:
            self.ranking.reweigh(place, level.raws)

    def _first_member(self, place: int) -> None:
        """The group of the request has a host now, which matters to all of them: everything is decided anew."""
        group = self.spec.group
        assert group is not None
        self.kept.debit(place, *need(self.spec))
        group = group.model_copy(update={"hosts": {self.kept.name(place): 1}})
        self.spec = self.spec.model_copy(update={"group": group})
        rows, refused = shortlist(self.filters, self.kept, self.spec)
        self.late.update(refused)
        self.kept = self.kept.take(rows)
        self._rank()

    def _level(self, place: int) -> tuple[int, _Level]:
        """What filters and weighers say of all contenders when each has as many of our servers as this one."""
        front = self.ranking.front
        assert front is not None
        if front is not self._levels_of:
            self._levels, self._levels_of = {}, front
        given = self._given[place]
        if given not in self._levels:
            self._levels[given] = self._look(self.kept.take(front.places), given)
        return front.at(place), self._levels[given]

    def _look(self, contenders: Hosts, given: int) -> _Level:
        vcpus, ram_mb, disk_gb = need(self.spec)
        contenders.debit(slice(None), vcpus * given, ram_mb * given, disk_gb * given, given)
        spec = self.spec
        if spec.group is not None:
            members = spec.group.hosts
            full = {**members, **{name: members.get(name, 0) + given for name in contenders.names}}
            spec = spec.model_copy(update={"group": spec.group.model_copy(update={"hosts": full})})
        refused: dict[int, str] = {}
        for name, one in self._recheck.items():
            mask = one.passes(contenders, spec)
            if mask is not True:
                for at in np.flatnonzero(~np.broadcast_to(mask, len(contenders))).tolist():
                    refused.setdefault(at, name)
        raws = {
            name: numbers(one.weigh(contenders, spec), len(contenders)).tolist()
            for name, one in self.ranking.weighers.items()
        }
        return _Level(refused, raws)


class _Level(NamedTuple):
    """By position among the contenders: the first filter that refuses, if any, and each weigher's number."""

    refused: dict[int, str]
    raws: dict[str, list[float]]


def _minds_use(filters: Mapping[str, Filter], kept: Hosts, spec: RequestSpec) -> dict[str, Filter]:
    """Filters whose answer may be another one for a host that has got a server more."""
    found = {name: one for name, one in filters.items() if not getattr(one, "static", False)}
    if spec.group is not None or not len(kept):
        return found  # the request itself changes on the way
    first = kept.take(np.array([0]))
    return {name: one for name, one in found.items() if one.passes(first, spec) is not True}


def _pick(plan: Plan, ranking: Ranking) -> list[int]:
    """Places of the ranking: the chosen host, then its alternates in order of preference."""
    order = ranking.best(plan.subset + plan.alternates, plan.rng if plan.shuffle else None)
    first = order.pop(plan.rng.randrange(min(plan.subset, len(order)))) if plan.subset > 1 else order.pop(0)
    return [first, *order[: plan.alternates]]


class _Names:
    """Makes candidates of places, each once for each weight it has."""

    def __init__(self, kept: Hosts) -> None:
        self._kept = kept
        self._made: dict[tuple[int, float], Candidate] = {}
        self._known: dict[int, tuple[str, str, int]] = {}

    def selection(self, ranking: Ranking, order: list[int]) -> Selection:
        """The hosts at these places, best first; the chosen one with where its weight comes from."""
        first, *others = order
        found = [self._candidate(first, ranking.total(first), ranking.weights(first))]
        for place in others:
            key = place, ranking.total(place)
            one = self._made.get(key)
            if one is None:
                one = self._made[key] = self._candidate(*key, {})
            found.append(one)
        return made(Selection, candidates=tuple(found))

    def _candidate(self, place: int, weight: float, weights: dict[str, float]) -> Candidate:
        known = self._known.get(place)
        if known is None:
            kept = self._kept
            known = self._known[place] = kept.name(place), kept.node(place), kept.generation_of(place)
        host, node, generation = known
        return made(Candidate, host=host, node=node, generation=generation, weight=weight, weights=weights)
