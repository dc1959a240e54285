"""The embedded network service, as API workers ask the conductor for it."""

from __future__ import annotations

from novalite.context import Context
from novalite.objects.base import Record
from novalite.objects.networks import Kind, NetworkLimit, NetworkQuery
from novalite.rpc.contracts.base import Contract, call


class Networks(Contract, topic="conductor", namespace="networks", version="1.0"):
    """Records have the columns of db/models/networks.py and network_services.py and what belongs to them (fixed_ips,
    security_groups, subnets, security_group_rules, external_fixed_ips, port_details, tags).

    What the caller may not see is not found, what it may see but not change is NotYours.
    """

    @call()
    def page(self, ctx: Context, kind: Kind, query: NetworkQuery) -> list[Record]:
        """What matches. The kind's own error for a marker that is not there."""
        raise NotImplementedError

    @call()
    def show(self, ctx: Context, kind: Kind, resource_id: str) -> Record:
        """One."""
        raise NotImplementedError

    @call(timeout=60)
    def create(self, ctx: Context, kind: Kind, wanted: list[Record]) -> list[Record]:
        """All of them or none. NetworkOverQuota, and what objects/network_errors.py says of each kind."""
        raise NotImplementedError

    @call()
    def change(self, ctx: Context, kind: Kind, resource_id: str, values: Record) -> Record:
        """Write values; the new record."""
        raise NotImplementedError

    @call()
    def delete(self, ctx: Context, kind: Kind, resource_id: str) -> None:
        """It is gone; a Conflict while something needs it."""
        raise NotImplementedError

    @call()
    def add_interface(self, ctx: Context, router_id: str, wanted: Record) -> Record:
        """Join a router with subnet_id or by port_id: {id, subnet_id, subnet_ids, port_id, network_id, project_id}."""
        raise NotImplementedError

    @call()
    def remove_interface(self, ctx: Context, router_id: str, wanted: Record) -> Record:
        """Part a router from subnet_id, port_id or both, which must agree; answers the same as adding."""
        raise NotImplementedError

    @call()
    def tags(self, ctx: Context, kind: Kind, resource_id: str) -> list[str]:
        """Of one thing."""
        raise NotImplementedError

    @call()
    def set_tags(self, ctx: Context, kind: Kind, resource_id: str, tags: list[str]) -> list[str]:
        """Exactly these from now on."""
        raise NotImplementedError

    @call()
    def add_tag(self, ctx: Context, kind: Kind, resource_id: str, tag: str) -> None:
        """Also when it is there."""
        raise NotImplementedError

    @call()
    def remove_tag(self, ctx: Context, kind: Kind, resource_id: str, tag: str) -> None:
        """TagNotFound when it is not there."""
        raise NotImplementedError

    @call()
    def quotas(self, ctx: Context, project_id: str) -> dict[str, NetworkLimit]:
        """Limits and use of a project by kind."""
        raise NotImplementedError

    @call()
    def stored_quotas(self, ctx: Context) -> dict[str, dict[str, int]]:
        """Every project that has limits of its own, and all of its limits."""
        raise NotImplementedError

    @call()
    def set_quotas(
        self, ctx: Context, project_id: str, limits: dict[str, int], check: bool = False
    ) -> dict[str, int]:
        """Set some; answers all. With `check`, QuotaBelowUse for a limit below what is used."""
        raise NotImplementedError

    @call()
    def forget_quotas(self, ctx: Context, project_id: str) -> None:
        """QuotaMissing when the project had none of its own."""
        raise NotImplementedError

    @call(timeout=60)
    def topology(self, ctx: Context, project_id: str) -> str:
        """The id of the network that a project gets without naming one; it is made if need be."""
        raise NotImplementedError

    @call(timeout=60)
    def forget_topology(self, ctx: Context, project_id: str) -> None:
        """The network, its subnet and its router are gone; NetworkInUse while servers use it."""
        raise NotImplementedError
