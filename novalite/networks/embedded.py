"""The embedded network service as the compute API asks it: by way of the conductor."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import novalite.objects.server_network_errors  # noqa: F401 - what the conductor raises is known by name
from novalite.context import Context
from novalite.errors import BadRequest, Conflict, NovaliteError, OverQuota
from novalite.networks.port import FloatingIpPoolNotFound, PortNotFound
from novalite.objects.base import Record
from novalite.objects.network_errors import NetworkOverQuota
from novalite.objects.networks import Kind, NetworkQuery
from novalite.rpc.client import Client
from novalite.rpc.contracts.interfaces import Interfaces
from novalite.rpc.contracts.networks import Networks
from novalite.rpc.contracts.servers import Tasks

LOG = logging.getLogger(__name__)
EVERYBODY = {"IPv4": "0.0.0.0/0", "IPv6": "::/0"}
ICMP = ("icmp", "icmpv6", "ipv6-icmp")
_SHOWN = {"icmpv6": "icmp", "ipv6-icmp": "icmp"}
ALL_PORTS = (1, 65535)


class EmbeddedNetworks:
    """A NetworkPort; see there for the methods."""

    def __init__(self, client: Client) -> None:
        self.records, self.plugs, self.tasks = client.of(Networks), client.of(Interfaces), client.of(Tasks)

    def _page(self, ctx: Context, kind: Kind, **equals: Any) -> list[Record]:
        return self.records.page(ctx, kind, NetworkQuery(equals=equals))

    # --- networks and floating addresses -----------------------------------------------------

    def networks(self, ctx: Context) -> list[Record]:
        """Those of the project, shared and external ones; for administrators all."""
        return [_network(one) for one in self._page(ctx, "network")]

    def network(self, ctx: Context, network_id: str) -> Record:
        """One of them."""
        return _network(self.records.show(ctx, "network", network_id))

    def _external(self, ctx: Context) -> dict[str, str]:
        return {one["id"]: one["name"] for one in self._page(ctx, "network", external=[True])}

    def pools(self, ctx: Context) -> list[str]:
        """Names of the external networks."""
        return sorted(self._external(ctx).values())

    def floating_ips(self, ctx: Context) -> list[Record]:
        """Floating addresses of the project."""
        found = self._page(ctx, "floatingip", project_id=[ctx.project_id or ""])
        names = self._external(ctx) if found else {}
        return [_floating(one, names) for one in found]

    def floating_ip(self, ctx: Context, floating_ip_id: str) -> Record:
        """One of them."""
        return _floating(self.records.show(ctx, "floatingip", floating_ip_id), self._external(ctx))

    def allocate_floating_ip(self, ctx: Context, pool: str | None) -> Record:
        """Of the external network of that name or id; without, of the first by name."""
        names = self._external(ctx)
        chosen = sorted((name, key) for key, name in names.items() if pool in (None, name, key))
        if not chosen:
            raise FloatingIpPoolNotFound
        wanted = {"floating_network_id": chosen[0][1], "project_id": ctx.project_id or ""}
        with _as_compute("floating_ips"):
            (made,) = self.records.create(ctx, "floatingip", [wanted])
        return _floating(made, names)

    def release_floating_ip(self, ctx: Context, floating_ip_id: str) -> None:
        """Give it back, also when a server has it."""
        self.records.delete(ctx, "floatingip", floating_ip_id)

    # --- security groups ---------------------------------------------------------------------

    def security_groups(self, ctx: Context, all_projects: bool = False) -> list[Record]:
        """Groups of the project, or of all."""
        where = {} if all_projects else {"project_id": [ctx.project_id or ""]}
        return self._groups(ctx, self._page(ctx, "security_group", **where))

    def security_group(self, ctx: Context, group_id: str) -> Record:
        """One of them."""
        return self._groups(ctx, [self.records.show(ctx, "security_group", group_id)])[0]

    def _groups(self, ctx: Context, found: list[Record]) -> list[Record]:
        """Groups as the compute API shows them; one call more when their rules name others."""
        named = {one["id"]: one for one in found}
        rules = [rule for group in found for rule in group["security_group_rules"]]
        others = {rule["remote_group_id"] for rule in rules} - {None} - set(named)
        if others:
            named |= {one["id"]: one for one in self._page(ctx, "security_group", id=sorted(others))}
        return [_group(one, named) for one in found]

    def create_security_group(self, ctx: Context, name: str, description: str) -> Record:
        """A group that lets out everything, of which the compute API shows nothing."""
        wanted = {"name": name, "description": description, "project_id": ctx.project_id or ""}
        with _as_compute("security_groups"):
            (made,) = self.records.create(ctx, "security_group", [wanted])
        return _group(made, {})

    def update_security_group(self, ctx: Context, group_id: str, name: str, description: str) -> Record:
        """Rename or describe it."""
        with _as_compute():
            values = {"name": name, "description": description}
            return self._groups(ctx, [self.records.change(ctx, "security_group", group_id, values)])[0]

    def delete_security_group(self, ctx: Context, group_id: str) -> None:
        """BadRequest while a port is in it."""
        with _as_compute():
            self.records.delete(ctx, "security_group", group_id)

    def add_rule(self, ctx: Context, group_id: str, rule: Record) -> Record:
        """What may come in: `rule` has ip_protocol, from_port, to_port, and cidr or group_id."""
        low, high = rule["from_port"], rule["to_port"]
        if rule["ip_protocol"] in ICMP:  # -1 is any type, any code
            low, high = (None if value in (None, -1) else value for value in (low, high))
        wanted = {
            "security_group_id": group_id,
            "direction": "ingress",
            "ethertype": "IPv6" if ":" in (rule["cidr"] or "") else "IPv4",
            "protocol": rule["ip_protocol"],
            "port_range_min": low,
            "port_range_max": high,
            "remote_ip_prefix": rule["cidr"],
            "remote_group_id": rule["group_id"],
            "project_id": ctx.project_id or "",
        }
        with _as_compute("security_group_rules"):
            (made,) = self.records.create(ctx, "security_group_rule", [wanted])
        other = rule["group_id"]
        named = {other: self.records.show(ctx, "security_group", other)} if other else {}
        return _rule(made, named)

    def delete_rule(self, ctx: Context, rule_id: str) -> None:
        """Remove it."""
        self.records.delete(ctx, "security_group_rule", rule_id)

    # --- of a server -------------------------------------------------------------------------

    def interfaces(self, ctx: Context, server: Record) -> list[Record]:
        """What the server is connected to."""
        return self.plugs.page(ctx, server["id"])

    def interface(self, ctx: Context, server: Record, port_id: str) -> Record:
        """One of these."""
        for one in self.interfaces(ctx, server):
            if one["port_id"] == port_id:
                return one
        raise PortNotFound(port_id=port_id)

    def attach(self, ctx: Context, server: Record, wanted: Record) -> Record:
        """Connect it; returns when the guest has it."""
        return self.plugs.attach(ctx, server["id"], wanted)

    def detach(self, ctx: Context, server: Record, port_id: str) -> None:
        """Begin to disconnect it."""
        accepted = self.plugs.detach(ctx, server["id"], port_id)
        try:
            self.tasks.poke(ctx, [accepted.task_id] if accepted.task_id else [])
        except NovaliteError as error:  # costs one sweep
            LOG.warning("Task %s waits for the next sweep: %s", accepted.task_id, error)

    def groups_of(self, ctx: Context, server: Record) -> list[Record]:
        """Security groups of its ports."""
        return self._groups(ctx, self.plugs.groups(ctx, server["id"]))

    def change_groups(self, ctx: Context, server: Record, verb: str, name: str) -> None:
        """On all its ports that can have groups."""
        self.plugs.change_groups(ctx, server["id"], name, verb == "add")

    def change_fixed_ip(self, ctx: Context, server: Record, verb: str, wanted: str) -> None:
        """One more address, or one less."""
        with _as_compute():
            if verb == "add":
                self.plugs.add_fixed_ip(ctx, server["id"], wanted)
            else:
                self.plugs.remove_fixed_ip(ctx, server["id"], wanted)

    def change_floating_ip(self, ctx: Context, server: Record, verb: str, wanted: dict[str, Any]) -> None:
        """Join it with a floating address, or part them."""
        fixed = wanted.get("fixed_address")
        self.plugs.change_floating_ip(ctx, server["id"], wanted["address"], verb == "add", fixed)


@contextmanager
def _as_compute(resource: str = "") -> Iterator[None]:
    """Refusals of the network service in the words of the compute API: what is over a quota is forbidden, any other
    conflict was a bad request."""
    try:
        yield
    except NetworkOverQuota as error:
        raise OverQuota(f"Quota exceeded, too many {resource or 'network resources'}.") from error
    except Conflict as error:
        raise BadRequest(error.sentence) from error


def _network(record: Record) -> Record:
    return {"id": record["id"], "label": record["name"]}


def _floating(record: Record, names: dict[str, str]) -> Record:
    inside = record["port_details"] or {}
    return {
        "id": record["id"],
        "ip": record["floating_ip_address"],
        "pool": names.get(record["floating_network_id"]) or record["floating_network_id"],
        "fixed_ip": record["fixed_ip_address"],
        "instance_id": inside.get("device_id") or None,
    }


def _group(record: Record, named: dict[str, Record]) -> Record:
    rules = [_rule(one, named) for one in record["security_group_rules"] if one["direction"] == "ingress"]
    facts = {key: record[key] for key in ("id", "name", "description", "project_id")}
    return {**facts, "rules": rules}


def _rule(record: Record, named: dict[str, Record]) -> Record:
    """A rule without ports is for all of them, one for nobody in particular for everybody."""
    protocol, low, high = record["protocol"], record["port_range_min"], record["port_range_max"]
    if protocol in ICMP:
        low, high = (-1 if value is None else value for value in (low, high))
    elif protocol in ("tcp", "udp") and low is None and high is None:
        low, high = ALL_PORTS
    other = record["remote_group_id"]
    group = named.get(other) if other else None
    return {
        "id": record["id"],
        "ip_protocol": _SHOWN.get(protocol, protocol),
        "from_port": low,
        "to_port": high,
        "ip_range": None if other else record["remote_ip_prefix"] or EVERYBODY[record["ethertype"]],
        "group": {"name": group["name"], "project_id": group["project_id"]} if group else None,
    }
