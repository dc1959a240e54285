"""Hosts and services: what they report, what the scheduler reads, what operators see."""

from __future__ import annotations

from novalite.context import Context
from novalite.objects.base import Record
from novalite.objects.hosts import Heartbeat, HostDeltas, HostInventory, HostTableDump
from novalite.objects.scheduling import Explanation, ManySelections, ManySpecs, RequestSpec, Selections
from novalite.rpc.contracts.base import Contract, call, fanout


class Services(Contract, topic="conductor", namespace="services", version="1.0"):
    """Service records. Public binary names: nova-compute, nova-conductor, nova-scheduler."""

    @call()
    def heartbeat(self, ctx: Context, beat: Heartbeat) -> str:
        """Note that a daemon is alive (creating its record); answers its service id."""
        raise NotImplementedError

    @call()
    def page(self, ctx: Context, host: str | None = None, binary: str | None = None) -> list[Record]:
        """id (integer), uuid, binary, host, zone, status, state, updated_at, disabled_reason, forced_down."""
        raise NotImplementedError

    @call()
    def update(self, ctx: Context, service_id: str, changes: dict[str, bool | str | None]) -> Record:
        """Set disabled, disabled_reason, forced_down of the compute service with this uuid; BadRequest for a
        service of another kind."""
        raise NotImplementedError

    @call()
    def update_by_name(
        self, ctx: Context, host: str, binary: str, changes: dict[str, bool | str | None]
    ) -> Record:
        """The same, by host and binary (microversions to 2.52)."""
        raise NotImplementedError

    @call()
    def delete(self, ctx: Context, service_id: str) -> None:
        """Forget a service, by uuid or integer id; Conflict while its host carries servers, or servers are on
        their way from it or to it."""
        raise NotImplementedError


class Hosts(Contract, topic="conductor", namespace="hosts", version="1.1"):
    """Hypervisor hosts."""

    @call(timeout=60)
    def started(self, ctx: Context, inventory: HostInventory) -> str:
        """A compute daemon is up and listening: record what it has, answer its service id, and go on
        at once with every task that waits for it."""
        raise NotImplementedError

    @call(timeout=60)
    def table(self, ctx: Context) -> HostTableDump:
        """Every host, for a scheduler that starts or missed a delta."""
        raise NotImplementedError

    @call()
    def hypervisors(
        self,
        ctx: Context,
        pattern: str | None = None,
        with_servers: bool = False,
        limit: int | None = None,
        marker: str | None = None,
    ) -> list[Record]:
        """Hypervisors by id: id (integer), uuid, node, host, state, status, hypervisor_type,
        hypervisor_version, host_ip, service_id, service_uuid, disabled_reason, cpu_info, vcpus,
        vcpus_used, memory_mb, memory_mb_used, local_gb, local_gb_used, disk_available_least,
        running_vms, uptime; `servers` [{uuid, name}] when asked for."""
        raise NotImplementedError

    @call()
    def hypervisor(self, ctx: Context, hypervisor_id: str, with_servers: bool = False) -> Record:
        """One hypervisor by integer id or uuid; NotFound otherwise."""
        raise NotImplementedError

    @call()
    def resources(self, ctx: Context, host: str) -> list[Record]:
        """project, cpu, memory_mb and disk_gb of one host: what it has under the project "(total)", what is in
        use "(used_now)", what its servers may use "(used_max)", and that by project. HostNotFound."""
        raise NotImplementedError

    @call()
    def zones(self, ctx: Context, detail: bool = False) -> list[Record]:
        """Availability zones: name, available, and with detail hosts {host: {binary: {available,
        active, updated_at}}}; the zone `internal` only with detail."""
        raise NotImplementedError


class Scheduler(Contract, topic="scheduler", namespace="scheduler", version="1.1"):
    """conductor -> any scheduler."""

    @call(timeout=20)
    def select(self, ctx: Context, spec: RequestSpec) -> Selections:
        """Rank hosts; proposes only, claims nothing."""
        raise NotImplementedError

    @call(timeout=20)
    def select_many(self, ctx: Context, asked: ManySpecs) -> ManySelections:
        """The same for requests that came together; those alike are decided as one. A request that makes no sense
        has a `problem` for an answer."""
        raise NotImplementedError

    @call(timeout=20)
    def explain(self, ctx: Context, spec: RequestSpec, most_hosts: int = 100) -> Explanation:
        """What would become of a request at this moment, and why; nothing is proposed. At most so many hosts are
        told of. Raises BadRequest, Unavailable."""
        raise NotImplementedError


class HostFeed(Contract, topic="scheduler", namespace="host_feed", version="1.0"):
    """conductor -> every scheduler."""

    @fanout()
    def changed(self, ctx: Context, deltas: HostDeltas) -> None:
        """Rows that changed since the sender's last message."""
        raise NotImplementedError
