"""Make the filters and weighers that configuration names: our own, and third parties' by entry point."""

from __future__ import annotations

import random
from collections.abc import Mapping
from importlib.metadata import entry_points
from inspect import signature
from typing import Any

from novalite.errors import ConfigError
from novalite.scheduler.filters import FILTERS
from novalite.scheduler.per_host import PerHostFilter
from novalite.scheduler.pipeline import Filter, Plan, Weigher
from novalite.scheduler.weighers import WEIGHERS

FILTER_GROUP = "novalite.scheduler.filters"
WEIGHER_GROUP = "novalite.scheduler.weighers"


def plan(conf: Any, rng: random.Random | None = None) -> Plan:
    """The pipeline as configured; raises ConfigError for a name nobody knows or a broken class."""
    section = conf.scheduler
    chance = section.mode == "chance"
    return Plan(
        filters=filters(conf),
        weighers={} if chance else weighers(conf),
        alternates=section.alternates,
        subset=section.host_subset_size,
        shuffle=chance or section.shuffle_best_same_weighed_hosts,
        rng=rng or random.Random(),
    )


def filters(conf: Any) -> dict[str, Filter]:
    """Enabled filters by name, in order."""
    made: dict[str, Filter] = {}
    for name in conf.scheduler.enabled_filters:
        one = _make("enabled_filters", FILTER_GROUP, FILTERS, name, conf)
        made[name] = one if hasattr(one, "passes") else PerHostFilter(one)
    return made


def weighers(conf: Any) -> dict[str, Weigher]:
    """Enabled weighers by name, in order."""
    names = conf.scheduler.enabled_weighers
    return {name: _make("enabled_weighers", WEIGHER_GROUP, WEIGHERS, name, conf) for name in names}


def _make(option: str, group: str, own: Mapping[str, type], name: str, conf: Any) -> Any:
    cls: Any = own[name] if name in own else _third_party(option, group, own, name)
    wanted = ("weigh",) if group == WEIGHER_GROUP else ("passes", "host_passes")
    if not any(hasattr(cls, method) for method in wanted):
        raise ConfigError(reason=f"[scheduler] {option}: {name} has no method {' or '.join(wanted)}")
    try:
        return cls(conf) if signature(cls).parameters else cls()
    except Exception as error:
        raise ConfigError(reason=f"[scheduler] {option}: {name} cannot be made: {error}") from error


def _third_party(option: str, group: str, own: Mapping[str, type], name: str) -> Any:
    """The class behind an entry point of an installed package."""
    found = entry_points(group=group, name=name)
    if not found:
        raise ConfigError(
            reason=f"[scheduler] {option}: {name} is neither one of {', '.join(sorted(own))} "
            f"nor an entry point of {group}"
        )
    try:
        return next(iter(found)).load()
    except Exception as error:
        raise ConfigError(reason=f"[scheduler] {option}: {name} does not load: {error}") from error
