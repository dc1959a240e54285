"""Traits that a flavor or an image wants of a host, or does not want: what it reports, and what operators say of it by
the Placement API."""

from __future__ import annotations

from typing import Any

from novalite.objects.hosts import HostRow
from novalite.objects.scheduling import RequestSpec
from novalite.scheduler.columns import Hosts, Mask

PREFIX = "trait:"


class TraitsFilter:
    """trait:NAME=required and trait:NAME=forbidden, as extra specs and as properties of images."""

    static = True

    def __init__(self, conf: Any) -> None:
        pass

    def passes(self, hosts: Hosts, spec: RequestSpec) -> Mask:
        required, forbidden = _wanted(spec)
        if not required and not forbidden:
            return True
        return hosts.worded("traits", lambda has: required.issubset(has) and forbidden.isdisjoint(has))

    def why(self, host: HostRow, spec: RequestSpec) -> str:
        required, forbidden = _wanted(spec)
        if missing := sorted(required - set(host.traits)):
            return f"needs trait {', '.join(missing)}"
        return f"must not have trait {', '.join(sorted(forbidden & set(host.traits)))}"


def _wanted(spec: RequestSpec) -> tuple[frozenset[str], frozenset[str]]:
    """Names that are required, and those that are forbidden."""
    told = [
        (key.removeprefix(PREFIX), word)
        for source in (spec.flavor.extra_specs, spec.image_properties)
        for key, word in source.items()
        if key.startswith(PREFIX)
    ]
    return (
        frozenset(name for name, word in told if word == "required"),
        frozenset(name for name, word in told if word == "forbidden"),
    )
