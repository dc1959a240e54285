"""What monitors of hosts measure, each number times a factor of the operator's."""

from __future__ import annotations

from typing import Any

import numpy as np

from novalite.errors import ConfigError
from novalite.objects.scheduling import RequestSpec
from novalite.scheduler.columns import Column, Hosts


class MetricsWeigher:
    """The sum of `metrics_weight_setting` over a host's metrics, such as cpu.idle.percent=1.0.

    A host that lacks one of them weighs `metrics_weight_of_unavailable` as a whole, and comes after all that have
    them when `metrics_required`.
    """

    def __init__(self, conf: Any) -> None:
        options = conf.scheduler
        self.factor = options.metrics_weight_multiplier
        self.required, self.unavailable = options.metrics_required, options.metrics_weight_of_unavailable
        self.ratios: dict[str, float] = {}
        for entry in options.metrics_weight_setting:
            name, _, ratio = entry.partition("=")
            try:
                self.ratios[name.strip()] = float(ratio)
            except ValueError:
                raise ConfigError(
                    reason=f"[scheduler] metrics_weight_setting: {entry} is no NAME=NUMBER"
                ) from None

    def weigh(self, hosts: Hosts, spec: RequestSpec) -> Column | float:
        if not self.ratios:
            return 0.0
        total = self._sum(hosts)
        lacking = np.isnan(total)
        if lacking.any():
            total[lacking] = self._last(hosts) if self.required else self.unavailable
        return total

    def _sum(self, hosts: Hosts) -> Column:
        total: Column = np.zeros(len(hosts))
        for name, ratio in self.ratios.items():
            total += hosts.metric(name) * ratio
        return total

    def _last(self, hosts: Hosts) -> float:
        """Well below every host there is, whichever of them are looked at."""
        everywhere = self._sum(Hosts(hosts.store, hosts.now))
        told = everywhere[~np.isnan(everywhere)]
        return float(told.min() - max(1.0, told.max() - told.min())) if len(told) else self.unavailable

    def multiplier(self, hosts: Hosts) -> Column | float:
        return hosts.setting("metrics_weight_multiplier", self.factor)
