"""Hosts and nodes named for one request. Put first by the pipeline itself, never by configuration."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from novalite.objects.hosts import HostRow
from novalite.objects.scheduling import RequestSpec
from novalite.scheduler.columns import Hosts, Mask


class ForcedHost:
    """Only the host or node an administrator forced."""

    static = True

    def passes(self, hosts: Hosts, spec: RequestSpec) -> Mask:
        return _only(hosts, spec.forced_host, spec.forced_node)

    def why(self, host: HostRow, spec: RequestSpec) -> str:
        return f"is not {_named(spec.forced_host, spec.forced_node)}, which the request forces"


class RequestedHost:
    """Only the host or node that was asked for; it still has to pass the other filters."""

    static = True

    def passes(self, hosts: Hosts, spec: RequestSpec) -> Mask:
        return _only(hosts, spec.requested_host, spec.requested_node)

    def why(self, host: HostRow, spec: RequestSpec) -> str:
        return f"is not {_named(spec.requested_host, spec.requested_node)}, which the request asks for"


class IgnoredHosts:
    """Not the hosts that the request is to avoid, such as the one a server is leaving."""

    static = True

    def passes(self, hosts: Hosts, spec: RequestSpec) -> Mask:
        return ~hosts.named(spec.ignored_hosts)

    def why(self, host: HostRow, spec: RequestSpec) -> str:
        return "is not to be taken for this request"


class NotAgain:
    """Not the hosts that were proposed for this server a moment ago, in vain."""

    static = True

    def __init__(self, hosts: Sequence[str]) -> None:
        self.hosts = hosts

    def passes(self, hosts: Hosts, spec: RequestSpec) -> Mask:
        return ~hosts.named(self.hosts)

    def why(self, host: HostRow, spec: RequestSpec) -> str:
        return "was proposed for this server a moment ago, and could not be claimed"


def _only(hosts: Hosts, host: str | None, node: str | None) -> Mask:
    mask = hosts.named([host]) if host else np.ones(len(hosts), dtype=bool)
    return mask & hosts.on_node(node) if node else mask


def _named(host: str | None, node: str | None) -> str:
    return " ".join(part for part in (host and f"host {host}", node and f"node {node}") if part)
