"""What can be asked about servers, their actions and their tasks."""

from __future__ import annotations

from novalite.context import Context
from novalite.objects.base import Packed, Record
from novalite.objects.servers import (
    Accepted,
    CreatedServers,
    CreateServers,
    HostedServer,
    PowerChange,
    ServerAction,
    ServerQuery,
    ServerUpdate,
    Verdict,
    WorkReport,
)
from novalite.rpc.contracts.base import Contract, call, cast


class Servers(Contract, topic="conductor", namespace="servers", version="1.3"):
    """api -> conductor. A server of another project is ServerNotFound for callers without all-project sight."""

    @call(timeout=60)
    def create(self, ctx: Context, body: CreateServers) -> CreatedServers:
        """Write servers, quota use and one open task each in one transaction. Then poke the tasks it answers."""
        raise NotImplementedError

    @call()
    def page(self, ctx: Context, query: ServerQuery) -> Packed:
        """One page of server records, for `unpack_records`; times as ISO text, without a fraction where it is 0."""
        raise NotImplementedError

    @call()
    def show(self, ctx: Context, server_id: str, deleted: bool = False) -> Record:
        """One server record, view-ready; `deleted` allows a deleted one."""
        raise NotImplementedError

    @call()
    def topology(self, ctx: Context, server_id: str) -> Record:
        """The same with `topology`: what it asked for of cells and CPUs (a GuestTopology), and `placed`: what it has of
        its host (a Placed); each None where there is nothing."""
        raise NotImplementedError

    @call()
    def update(self, ctx: Context, body: ServerUpdate) -> Record:
        """Change user-editable fields; answers the new record."""
        raise NotImplementedError

    @call()
    def delete(self, ctx: Context, server_id: str, force: bool = False) -> Accepted:
        """Begin deletion; accepted in every state and task, and again while one is running. Unless `force`,
        the server may be kept for a while (deferred delete); nothing to do is no task."""
        raise NotImplementedError

    @call()
    def act(self, ctx: Context, body: ServerAction) -> Accepted:
        """Begin an action of states.ACTIONS; of two racing callers exactly one succeeds."""
        raise NotImplementedError

    @call()
    def lock(self, ctx: Context, server_id: str, reason: str | None = None) -> None:
        """Lock for everybody but admins; recorded as an instance action. An owner cannot lock what is locked."""
        raise NotImplementedError

    @call()
    def unlock(self, ctx: Context, server_id: str, override: bool | None = None) -> None:
        """Unlock; the other side's lock (an admin's, seen by the owner) needs `override`
        (None: an admin), PolicyNotAuthorized otherwise."""
        raise NotImplementedError

    @call()
    def reset_state(self, ctx: Context, server_id: str, state: str) -> None:
        """Say that the server is `active` or `error`; what is being done to it ends undone."""
        raise NotImplementedError

    @call()
    def inject_network_info(self, ctx: Context, server_id: str) -> None:
        """Make the guest's network what the records say. Guests without ports have nothing to be made; what
        is checked is that it could be: ServerNotReady without a host, ServerLocked for non-admins."""
        raise NotImplementedError

    @call()
    def set_metadata(
        self, ctx: Context, server_id: str, metadata: dict[str, str], replace: bool = False
    ) -> dict[str, str]:
        """Merge into, or replace, the metadata; answers all of it. Quota metadata_items applies."""
        raise NotImplementedError

    @call()
    def delete_metadata(self, ctx: Context, server_id: str, key: str) -> None:
        """Remove one item; NotFound when it is not there."""
        raise NotImplementedError

    @call()
    def change_security_group(self, ctx: Context, server_id: str, name: str, add: bool) -> None:
        """Add or remove a name of the security groups the server is to have; NotFound when it has no such."""
        raise NotImplementedError

    @call(timeout=40)
    def console_output(self, ctx: Context, server_id: str, length: int | None = None) -> str:
        """The last `length` lines of the serial console (None: all that is kept), asked of the host."""
        raise NotImplementedError


class InstanceActions(Contract, topic="conductor", namespace="instance_actions", version="1.0"):
    """The task journal as users see it."""

    @call()
    def page(
        self,
        ctx: Context,
        server_id: str,
        limit: int | None = None,
        marker: str | None = None,
        changes_since: str | None = None,
        changes_before: str | None = None,
    ) -> list[Record]:
        """Actions, newest first: action, instance_uuid, request_id, project_id, user_id, start_time,
        updated_at, message. Also of deleted servers."""
        raise NotImplementedError

    @call()
    def show(self, ctx: Context, server_id: str, request_id: str) -> Record:
        """One action with `events`: event, start_time, finish_time, result (Success, Error or None),
        traceback, host, host_id, details."""
        raise NotImplementedError


class Tasks(Contract, topic="conductor", namespace="tasks", version="1.0"):
    """Hints that a task wants attention."""

    @cast()
    def poke(self, ctx: Context, task_ids: list[str]) -> None:
        """Look at these tasks now. Losing this message costs one sweep interval, nothing else."""
        raise NotImplementedError


class HostedServers(Contract, topic="conductor", namespace="hosted_servers", version="1.1"):
    """compute -> conductor. A host may speak only of servers that live on it or are being built there."""

    @call(timeout=60)
    def finished(self, ctx: Context, report: WorkReport) -> Verdict:
        """HostWork is over; may be told twice. The verdict says whether the guest may stay."""
        raise NotImplementedError

    @call(timeout=10)
    def progressed(
        self, ctx: Context, host: str, task_id: str, attempt: int, server_id: str, task_state: str
    ) -> bool:
        """The work in hand has come so far (a task_state of states.PROGRESS). False: nobody waits for it any
        more, so it should be given up."""
        raise NotImplementedError

    @call()
    def on_host(self, ctx: Context, host: str) -> list[HostedServer]:
        """Servers that belong to this host, and those deleted within the last day (deleted=True)."""
        raise NotImplementedError

    @call()
    def power_changed(self, ctx: Context, host: str, changes: list[PowerChange]) -> None:
        """Guests that changed power state on their own; busy servers are left alone."""
        raise NotImplementedError
