"""Hosts that keep the image need not fetch it."""

from __future__ import annotations

from typing import Any

from novalite.objects.scheduling import RequestSpec
from novalite.scheduler.columns import Column, Hosts


class ImageCacheLocalityWeigher:
    """1 for hosts that have the image of the request, 0 for others; nothing for requests without image."""

    def __init__(self, conf: Any) -> None:
        self.factor = conf.scheduler.image_cache_weight_multiplier

    def weigh(self, hosts: Hosts, spec: RequestSpec) -> Column | float:
        if spec.image_id is None or spec.image_id not in hosts.store.images:
            return 0.0
        return hosts.with_image(spec.image_id).astype(float)

    def multiplier(self, hosts: Hosts) -> Column | float:
        return hosts.setting("image_cache_weight_multiplier", self.factor)
