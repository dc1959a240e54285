"""Whether a database is sound: the schema, and what must be true between its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sqlalchemy import Select, and_, exists, func, or_, select
from sqlalchemy.orm import Session

from novalite.db import aggregates, allocations, numa_check, pci_check, schema, server_migrations
from novalite.db.models.compute import Allocation, Host, Server, Task
from novalite.db.models.migrations import Migration
from novalite.db.models.network_services import Router
from novalite.db.models.networks import NetworkPort
from novalite.db.models.server_groups import ServerGroup, ServerGroupMember
from novalite.db.networks.placing import PLUGS
from novalite.db.placement import checks as placement_checks
from novalite.db.placement import consumers
from novalite.db.session import Database
from novalite.objects.migrations import UNCONFIRMED

MOST = 20
"""Findings of one kind that are told one by one."""


def check(db: Database) -> list[str]:
    """What is wrong, a sentence each; empty when nothing is. Reads only."""
    found = list(_revision(db))
    if found:
        return found  # rows of another schema cannot be read
    found = schema.differences(db)
    if found:
        return found
    with db.read() as session:
        for look in CHECKS:
            sentences = list(look(session))
            found += sentences[:MOST]
            if len(sentences) > MOST:
                found.append(f"… and {len(sentences) - MOST} more of the same kind.")
    return found


def _revision(db: Database) -> Iterator[str]:
    found = schema.version(db)
    if found != schema.head():
        yield f"The database is at revision {found or 'none'}, this release needs {schema.head()}."


def used_equals_claims(session: Session) -> Iterator[str]:
    """What a host counts as used is the sum of the claims on it."""
    claims = allocations.totals(session)
    # A place kept is not one server more; nor is what was taken by the Placement API.
    aside = server_migrations.exists_for(Allocation.server_id) | consumers.is_stranger(Allocation.server_id)
    rows = session.execute(select(Allocation.host, func.count()).where(~aside).group_by(Allocation.host))
    counts = {row[0]: row[1] for row in rows}
    hosts = session.execute(
        select(Host.host, Host.used_vcpus, Host.used_ram_mb, Host.used_disk_gb, Host.servers)
    )
    for host, vcpus, ram_mb, disk_gb, servers in hosts:
        sums = claims.pop(host, allocations.Amount(0, 0, 0))
        told, summed = (vcpus, ram_mb, disk_gb, servers), (*_amount(sums), counts.get(host, 0))
        if told != summed:
            yield (
                f"Host {host} counts (vcpus, ram_mb, disk_gb, servers) {told} as used, "
                f"but its claims add up to {summed}."
            )
    for host in claims:
        yield f"There are claims on host {host}, which does not exist."


def _amount(found: allocations.Amount) -> tuple[int, int, int]:
    return found.vcpus, found.ram_mb, found.disk_gb


def _open_task() -> Select[str]:
    return select(Task.id).where(Task.server_id == Server.id, Task.state == "open")


def claims_belong_to_servers(session: Session) -> Iterator[str]:
    """A claim without a server that lives, or is being worked on, holds capacity for nothing."""
    query = (
        select(Allocation.host, Allocation.server_id)
        .outerjoin(Server, Server.id == Allocation.server_id)
        .where(
            or_(Server.id.is_(None), and_(Server.deleted.is_(True), ~exists(_open_task()))),
            ~server_migrations.exists_for(Allocation.server_id),
            ~consumers.is_stranger(Allocation.server_id),
        )
    )
    for host, server_id in session.execute(query):
        yield f"Host {host} holds a claim of server {server_id}, which is gone."


def places_aside_are_wanted(session: Session) -> Iterator[str]:
    """Only a migration that may still be taken back, of a server that knows of it, keeps a place."""
    wanted = select(Server.id).where(
        Server.migration_id == Migration.uuid,
        or_(Server.deleted.is_(False), exists(_open_task())),
        Migration.status.in_(UNCONFIRMED),
    )
    query = (
        select(Allocation.host, Migration.uuid, Migration.server_id, Migration.status)
        .join(Migration, Migration.uuid == Allocation.server_id)
        .where(~exists(wanted))
    )
    for host, uuid, server_id, status in session.execute(query):
        yield f"Host {host} keeps a place for migration {uuid} ({status}) of server {server_id}, which is over."


def servers_have_claims(session: Session) -> Iterator[str]:
    """A server on a host takes something from it."""
    claim = select(Allocation.host).where(Allocation.server_id == Server.id, Allocation.host == Server.host)
    query = select(Server.id, Server.host).where(
        Server.deleted.is_(False), Server.host.is_not(None), ~exists(claim), ~exists(_open_task())
    )
    for server_id, host in session.execute(query):
        yield f"Server {server_id} is on host {host} without a claim."


def busy_servers_have_tasks(session: Session) -> Iterator[str]:
    """A server is busy because of an open task; otherwise nothing would ever end it."""
    query = select(Server.id, Server.task_state).where(
        Server.deleted.is_(False),
        or_(Server.task_state.is_not(None), Server.task_id.is_not(None)),
        ~exists(_open_task()),
    )
    for server_id, task_state in session.execute(query):
        yield f"Server {server_id} is busy ({task_state}), but no task is open for it."


def hosts_know_their_aggregates(session: Session) -> Iterator[str]:
    """Each host repeats what its aggregates say: schedulers and claims read it there."""
    told: dict[str, dict[str, dict[str, str]]] = {}
    for aggregate in aggregates.page(session):
        for host in aggregate["hosts"]:
            told.setdefault(host, {})[aggregate["name"]] = aggregate["metadata"]
    for host, zone, known in session.execute(select(Host.host, Host.zone, Host.aggregates)):
        found = told.pop(host, {})
        zones = aggregates.zones_of(found)
        if (known or {}) != found:
            yield f"Host {host} is told to be in aggregates {known or {}}, but is in {found}."
        elif zone not in (zones or [aggregates.DEFAULT_ZONE]):
            yield f"Host {host} is told to be in zone {zone}, but its aggregates say {zones or 'nothing'}."
    for host in told:
        yield f"Host {host}, which does not exist, is in aggregates {sorted(told[host])}."


def members_are_servers(session: Session) -> Iterator[str]:
    """A server group that is holds servers that are."""
    query = (
        select(ServerGroupMember.group_id, ServerGroupMember.server_id)
        .outerjoin(Server, Server.id == ServerGroupMember.server_id)
        .outerjoin(ServerGroup, ServerGroup.uuid == ServerGroupMember.group_id)
        .where(or_(Server.id.is_(None), Server.deleted.is_(True), ServerGroup.id.is_(None)))
    )
    for group_id, server_id in session.execute(query):
        yield f"Server group {group_id} holds server {server_id}, but one of them is gone."


def ports_are_where_their_servers_are(session: Session) -> Iterator[str]:
    """A port that a server is plugged into goes and moves with it."""
    astray = or_(Server.id.is_(None), Server.deleted.is_(True), func.coalesce(Server.host, "") != NetworkPort.host)
    query = (
        select(NetworkPort.id, NetworkPort.device_id, NetworkPort.host, Server.host, Server.deleted)
        .outerjoin(Server, Server.id == NetworkPort.device_id)
        .where(NetworkPort.device_index > 0, astray)
        .where(~exists(select(Task.id).where(Task.server_id == NetworkPort.device_id, Task.state == "open")))
    )
    for port_id, server_id, host, where, deleted in session.execute(query):
        if deleted is not False:
            yield f"Port {port_id} is plugged into server {server_id}, which is gone."
        else:
            yield f"Port {port_id} is on host {host or 'none'}, but its server {server_id} is on {where or 'none'}."


def ports_are_where_their_routers_are(session: Session) -> Iterator[str]:
    """A router's ports go and move with it."""
    astray = or_(Router.id.is_(None), Router.host != NetworkPort.host)
    query = (
        select(NetworkPort.id, NetworkPort.device_id, NetworkPort.host, Router.host)
        .outerjoin(Router, Router.id == NetworkPort.device_id)
        .where(NetworkPort.device_owner.in_(PLUGS), astray)
    )
    for port_id, router_id, host, where in session.execute(query):
        if where is None:
            yield f"Port {port_id} is plugged into router {router_id}, which is gone."
        else:
            yield f"Port {port_id} is on host {host or 'none'}, but its router {router_id} is on {where or 'none'}."


CHECKS: tuple[Callable[[Session], Iterator[str]], ...] = (
    used_equals_claims,
    claims_belong_to_servers,
    places_aside_are_wanted,
    servers_have_claims,
    busy_servers_have_tasks,
    hosts_know_their_aggregates,
    members_are_servers,
    ports_are_where_their_servers_are,
    ports_are_where_their_routers_are,
    pci_check.devices_belong_to_claims,
    pci_check.devices_are_given_once,
    pci_check.vanished_devices,
    pci_check.free_devices_are_told,
    numa_check.cpus_are_given_once,
    numa_check.use_of_cells_is_told,
    numa_check.pinned_cpus_are_offered,
    placement_checks.inventories_count_what_is_held,
    placement_checks.providers_have_their_trees,
    placement_checks.consumers_hold_something,
)
