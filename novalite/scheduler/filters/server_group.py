"""Keep servers of a group together, or apart, by who is where when the request is sent; the claim looks again."""

from __future__ import annotations

from typing import Any

from novalite.objects.hosts import HostRow
from novalite.objects.scheduling import RequestSpec
from novalite.scheduler.columns import Hosts, Mask


class ServerGroupAffinityFilter:
    """Hosts that carry members; every host for the first server of a group."""

    def __init__(self, conf: Any) -> None:
        pass

    def passes(self, hosts: Hosts, spec: RequestSpec) -> Mask:
        group = spec.group
        if group is None or group.policy != "affinity" or not group.hosts:
            return True
        return hosts.named(group.hosts)

    def why(self, host: HostRow, spec: RequestSpec) -> str:
        assert spec.group is not None
        return f"carries no server of the group, which is on {', '.join(sorted(spec.group.hosts))}"


class ServerGroupAntiAffinityFilter:
    """Hosts that carry fewer members than the group allows on one."""

    def __init__(self, conf: Any) -> None:
        pass

    def passes(self, hosts: Hosts, spec: RequestSpec) -> Mask:
        group = spec.group
        if group is None or group.policy != "anti-affinity":
            return True
        full = [host for host in group.hosts if not group.allows(host)]
        return not full or ~hosts.named(full)

    def why(self, host: HostRow, spec: RequestSpec) -> str:
        assert spec.group is not None
        carried = spec.group.hosts.get(host.host, 0)
        return f"carries {carried} servers of the group, which allows {spec.group.max_per_host}"
