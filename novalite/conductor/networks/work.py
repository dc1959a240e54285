"""What one request to the network service works with inside its transaction, and what it leaves to be told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from oslo_config.cfg import ConfigOpts
from sqlalchemy.orm import Session

from novalite.context import Context
from novalite.db.networks import groups, kinds, placing, quotas
from novalite.objects.base import Record
from novalite.objects.networks import KINDS, Kind


@dataclass
class Work:
    """`conf` is [networks]; `down_after`: seconds after which a host that is not heard of is down. Hosts, networks and
    groups collect what compute hosts have to hear of; `routers` have to be somewhere; `gone` are ports of servers that
    were deleted."""

    session: Session
    ctx: Context
    conf: Any
    down_after: float
    hosts: set[str] = field(default_factory=set)
    networks: set[str] = field(default_factory=set)
    groups: set[str] = field(default_factory=set)
    routers: set[str] = field(default_factory=set)
    gone: list[Record] = field(default_factory=list)

    def find(self, kind: Kind, resource_id: str) -> Record:
        """What the caller sees."""
        return kinds.find(self.session, self.ctx, kind, resource_id)

    def own(self, kind: Kind, resource_id: str) -> Record:
        """What the caller may change."""
        return kinds.find_own(self.session, self.ctx, kind, resource_id)

    def check_quota(self, kind: Kind, wanted: Iterable[Record]) -> None:
        """NetworkOverQuota unless there is room for all of these."""
        rows = [row["project_id"] for row in wanted]
        for project_id in sorted(set(rows)):
            quotas.check(self.session, project_id, {kind: rows.count(project_id)}, defaults(self.conf))

    def ports_changed(self, *ports: Record) -> None:
        """Their hosts, the hosts of their networks, and those with rules that name their groups."""
        for port in ports:
            self.networks.add(port["network_id"])
            self.groups.update(port["security_groups"])
            if port["host"]:
                self.hosts.add(port["host"])

    def settle(self) -> Work:
        """The last thing in the transaction: routers have hosts, if any can carry them, and groups are hosts."""
        if self.routers:
            there = placing.willing(self.session, self.down_after)
            for router_id in sorted(self.routers):
                self.hosts.update(placing.place(self.session, router_id, there))
        if self.groups:
            self.hosts.update(groups.hosts_of(self.session, self.groups))
        return self


def defaults(section: Any) -> dict[str, int]:
    """Limits of a project that has none of its own, from [networks]."""
    return {kind: int(section[f"quota_{kind}"]) for kind in KINDS}


def limits_of(conf: ConfigOpts) -> dict[str, int]:
    """The same from a whole configuration."""
    return defaults(conf.networks)
