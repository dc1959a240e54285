"""Why: for every host, the filter that refused it in words, or its weights and rank. Pure, made on demand."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from novalite.objects.scheduling import RequestSpec
from novalite.scheduler.columns import Hosts
from novalite.scheduler.pipeline import Plan, filters_for, shortlist
from novalite.scheduler.ranking import Ranking


@dataclass(frozen=True)
class Verdict:
    """One host: either `refused_by` and `why`, or its `rank` (1 is best) and where that comes from."""

    host: str
    node: str
    refused_by: str | None = None
    why: str | None = None
    rank: int | None = None
    weight: float = 0.0
    weights: dict[str, float] = field(default_factory=dict)


def explain(plan: Plan, hosts: Hosts, spec: RequestSpec) -> list[Verdict]:
    """The hosts that pass, best first; then the others, in filter order."""
    filters = filters_for(plan, spec)
    passed: list[Verdict] = []
    refused: list[Verdict] = []
    left = np.arange(len(hosts))
    for name, one in filters.items():
        still, _ = shortlist({name: one}, hosts.take(left), spec)
        for at in np.delete(left, still).tolist():
            why = one.why(hosts.row(at), spec)
            refused.append(Verdict(hosts.name(at), hosts.node(at), refused_by=name, why=why))
        left = left[still]
    kept = hosts.take(left)
    ranking = Ranking(plan.weighers, kept, spec)
    if len(ranking):
        parts = ranking.parts
        for rank, at in enumerate(np.argsort(-ranking.totals, kind="stable").tolist(), 1):
            weights = {name: float(part[at]) for name, part in parts.items()}
            total = float(ranking.totals[at])
            passed.append(Verdict(kept.name(at), kept.node(at), rank=rank, weight=total, weights=weights))
    return passed + refused
