"""The hints `same_host` and `different_host`: next to, or away from, servers the user named."""

from __future__ import annotations

from typing import Any

from novalite.objects.hosts import HostRow
from novalite.objects.scheduling import RequestSpec
from novalite.scheduler.columns import Hosts, Mask


class SameHostFilter:
    """Hosts that carry one of the named servers; none when those servers are on no host."""

    static = True

    def __init__(self, conf: Any) -> None:
        pass

    def passes(self, hosts: Hosts, spec: RequestSpec) -> Mask:
        return spec.same_host is None or hosts.named(spec.same_host)

    def why(self, host: HostRow, spec: RequestSpec) -> str:
        return f"carries no server of the same_host hint; they are on {_list(spec.same_host or ())}"


class DifferentHostFilter:
    """Hosts that carry none of the named servers."""

    static = True

    def __init__(self, conf: Any) -> None:
        pass

    def passes(self, hosts: Hosts, spec: RequestSpec) -> Mask:
        return not spec.different_host or ~hosts.named(spec.different_host)

    def why(self, host: HostRow, spec: RequestSpec) -> str:
        return "carries a server of the different_host hint"


def _list(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "no host"
