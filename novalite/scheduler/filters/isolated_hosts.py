"""Keep some hosts for some images, and those images for these hosts."""

from __future__ import annotations

from typing import Any

from novalite.objects.hosts import HostRow
from novalite.objects.scheduling import RequestSpec
from novalite.scheduler.columns import Hosts, Mask


class IsolatedHostsFilter:
    """`isolated_images` go to `isolated_hosts` only; other images go there too unless
    `restrict_isolated_hosts_to_isolated_images`."""

    static = True

    def __init__(self, conf: Any) -> None:
        options = conf.scheduler
        self.images = frozenset(options.isolated_images)
        self.hosts = tuple(options.isolated_hosts)
        self.restrict = options.restrict_isolated_hosts_to_isolated_images

    def passes(self, hosts: Hosts, spec: RequestSpec) -> Mask:
        if spec.image_id in self.images:
            return hosts.named(self.hosts)
        return not (self.restrict and self.hosts) or ~hosts.named(self.hosts)

    def why(self, host: HostRow, spec: RequestSpec) -> str:
        if spec.image_id in self.images:
            return "is not one of the hosts kept for this image"
        return "is kept for other images"
