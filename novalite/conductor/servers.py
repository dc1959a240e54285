"""Servers: accept intents in one transaction, answer composite records.

Keys of a server record: the columns of `db.models.compute.Server` (times as ISO text, `metadata`),
`instance_name`, `host_status` (administrators), and `addresses`, `volumes`, `server_groups`.
"""

from __future__ import annotations

import logging
from typing import Any

from sqlalchemy.orm import Session

from novalite.conductor import (
    create_request,
    deletion,
    pci_requests,
    quota,
    reset_state,
    server_groups,
    server_networks,
    server_page,
    topology,
)
from novalite.conductor.env import Env
from novalite.conductor.task import Asked, Prepared
from novalite.context import Context
from novalite.db import console_tokens, flavors, keypairs, numa, servers
from novalite.db import server_groups as db_groups
from novalite.db import tasks as db_tasks
from novalite.db.models.compute import new_id
from novalite.errors import (
    BadRequest,
    FlavorNotFound,
    GuestNotFound,
    InvalidServerState,
    KeypairNotFound,
    NotFound,
    PolicyNotAuthorized,
    ServerLocked,
    ServerNotReady,
)
from novalite.objects.base import Packed, Record
from novalite.objects.flavors import Flavor
from novalite.objects.servers import (
    Accepted,
    CreatedServers,
    CreateServers,
    ServerAction,
    ServerQuery,
    ServerUpdate,
)
from novalite.rpc.contracts.compute import Guests
from novalite.rpc.contracts.servers import Servers
from novalite.states import (
    ACTIONS,
    ACTIVE,
    BUILDING,
    ENDS_CONSOLES,
    ERROR,
    PAUSED,
    STOPPED,
    SUSPENDED,
    ActionRule,
)

LOG = logging.getLogger(__name__)
UNLOCK_OVERRIDE = "os_compute_api:os-lock-server:unlock:unlock_override"
"""The rule by which somebody may lift a lock that is not his own kind's."""
METADATA_STATES = (ACTIVE, PAUSED, SUSPENDED, STOPPED)
CHANGEABLE = ("name", "description", "hostname", "access_ip_v4", "access_ip_v6", "disk_config")
MOST_AT_ONCE = 1000
"""Servers of one request, so that a project without limits cannot fill the conductor's memory."""
_INTERNAL = (
    "number", "task_id", "public_key", "networks", "state_since", "old_vm_state", "old_flavor", "migration_id",
    "rescue", "shelved", "personality", "guest_password",
)  # fmt: skip


def scope(ctx: Context) -> str | None:
    """The project a caller's ids are looked up in; None for those who see all. A token of no project
    finds nothing: "" is nobody's."""
    return None if ctx.sees_all_projects else ctx.project_id or ""


def resolve(env: Env, session: Session, ctx: Context, body: CreateServers) -> create_request.Resolved:
    """The flavor, image and key that a request names; BadRequest for what is not there."""
    try:
        flavor = Flavor(**flavors.get(session, ctx, body.flavor_id))
    except FlavorNotFound as error:
        raise BadRequest(error.sentence) from error
    if flavor.disabled:
        raise BadRequest(f"Flavor {body.flavor_id} is disabled.")
    image = None
    if body.image_id:
        image = create_request.find_image(env, session, ctx, body.image_id)
    public_key = None
    if body.key_name is not None:
        try:
            public_key = keypairs.get(session, ctx.user_id or "", body.key_name)["public_key"]
        except KeypairNotFound as error:
            raise BadRequest("Invalid key_name provided.") from error
    create_request.check_flavor(flavor)
    devices = pci_requests.requests(env.conf, flavor, image.properties if image else {})
    return create_request.Resolved(flavor, image, public_key, devices)


class ServersEndpoint(Servers):
    """See the contract for each method's meaning and errors."""

    def __init__(self, env: Env) -> None:
        self.env = env

    # --- create

    def create(self, ctx: Context, body: CreateServers) -> CreatedServers:
        begins = self.env.tasks.spare()
        created, tasks = self.env.db.run(lambda session: self._create(session, ctx, body, begins))
        if begins:
            self.env.tasks.begin(tasks)
        return created

    def _create(
        self, session: Session, ctx: Context, body: CreateServers, begins: bool
    ) -> tuple[CreatedServers, list[Record]]:
        """The rows of servers and their tasks; `begins`: this conductor goes on with these itself."""
        resolved = resolve(self.env, session, ctx, body)
        if resolved.image:
            create_request.check_image(resolved.image, resolved.flavor)
        create_request.check_place(session, body)
        plan = server_networks.plan(session, self.env.conf, ctx, body)
        physical = server_networks.physical(session, plan.ports)
        spec = create_request.request_spec(session, ctx, body, resolved, physical)
        count = self._affordable(session, ctx, body, resolved.flavor)
        count = server_networks.affordable(session, self.env.conf, ctx, plan, body.min_count, count, body.max_count)
        forced = self.env.conf.metadata.force_config_drive
        rows = create_request.server_rows(ctx, body, resolved, count, drive=forced)
        args: dict[str, Any] = {"image": resolved.image.model_dump(mode="json") if resolved.image else None}
        if plan.ports:
            args["networks"] = plan.args()
        if count > 1:
            args["siblings"] = {"request": rows[0]["reservation_id"], "count": count}
        look_at = self.env.tasks.look_at()
        tasks = []
        for row in rows:
            task_args = {**args, "spec": {**spec, "server_id": row["id"]}}
            secret = body.admin_pass if row["config_drive"] else None
            task = db_tasks.opened(ctx, "create", "create", row["id"], ctx.project_id, look_at, task_args, secret)
            if begins:
                self.env.tasks.own(task)
            tasks.append(task)
            row["task_id"] = task["id"]
        db_tasks.write_opened(session, tasks)
        servers.create(session, rows)
        server_groups.admit(session, self.env, ctx, body.scheduler_hints, [row["id"] for row in rows])
        created = CreatedServers(
            server_ids=tuple(row["id"] for row in rows),
            task_ids=() if begins else tuple(task["id"] for task in tasks),
            reservation_id=rows[0]["reservation_id"],
        )
        return created, tasks

    def _affordable(self, session: Session, ctx: Context, body: CreateServers, flavor: Flavor) -> int:
        """As many as the quota lets through, from max_count down to min_count."""
        conf, project = self.env.conf, ctx.project_id
        quota.check_metadata(session, conf, project, len(body.metadata))
        quota.check_files(session, conf, project, body.personality)
        each = {"instances": 1, "cores": flavor.vcpus, "ram": flavor.ram_mb}
        low, high = body.min_count, body.max_count
        count = quota.affordable(session, conf, project, each, low, high, ctx.user_id)
        if low > MOST_AT_ONCE:
            raise BadRequest(f"At most {MOST_AT_ONCE} servers can be created by one request.")
        return min(count, MOST_AT_ONCE)

    # --- read

    def page(self, ctx: Context, query: ServerQuery) -> Packed:
        with self.env.db.read() as session:
            return server_page.packed(session, ctx, query, self.env.conf)

    def show(self, ctx: Context, server_id: str, deleted: bool = False) -> Record:
        with self.env.db.read() as session:
            record = servers.get(session, server_id, scope(ctx), deleted=None if deleted else False)
            self._finish(session, ctx, [record])
            if server_groups.group_of(record["scheduler_hints"]):
                record["server_groups"] = db_groups.of_server(session, server_id)
        return record

    def topology(self, ctx: Context, server_id: str) -> Record:
        record = self.show(ctx, server_id)
        wanted, placed = topology.of(record), None
        if wanted is not None and record["host"]:
            with self.env.db.read() as session:
                placed = numa.held(session, record["host"], [server_id])
        told = {"topology": wanted, "placed": placed}
        return {**record, **{key: one and one.model_dump(mode="json") for key, one in told.items()}}

    def _finish(self, session: Session, ctx: Context, records: list[Record]) -> None:
        """Make records view-ready; a bounded number of statements, however many there are."""
        status: dict[str, str] = {}
        if ctx.is_admin and any(r["host"] for r in records):
            status = server_page.host_states(session, self.env.conf.service_down_time)
        for record in records:
            for key in _INTERNAL:
                record.pop(key, None)
            record["host_status"] = status.get(record["host"], "UNKNOWN") if record["host"] else ""
            record["volumes"] = []
            record["server_groups"] = []
        server_page.connect(session, self.env.conf, records)

    # --- change

    def update(self, ctx: Context, body: ServerUpdate) -> Record:
        unknown = set(body.changes) - set(CHANGEABLE)
        if unknown:
            raise BadRequest(f"Cannot change {', '.join(sorted(unknown))} of a server.")

        def work(session: Session) -> None:
            servers.get(session, body.server_id, scope(ctx))
            if body.changes:
                servers.change(session, body.server_id, **body.changes)

        self.env.db.run(work)
        return self.show(ctx, body.server_id)

    def set_metadata(
        self, ctx: Context, server_id: str, metadata: dict[str, str], replace: bool = False
    ) -> dict[str, str]:
        def work(session: Session) -> dict[str, str]:
            server = self.changeable(session, ctx, server_id, "update metadata", METADATA_STATES)
            merged = dict(metadata) if replace else {**(server["metadata"] or {}), **metadata}
            quota.check_metadata(session, self.env.conf, server["project_id"], len(merged))
            servers.change(session, server_id, metadata=merged)
            return merged

        return self.env.db.run(work)

    def delete_metadata(self, ctx: Context, server_id: str, key: str) -> None:
        def work(session: Session) -> None:
            server = self.changeable(session, ctx, server_id, "delete metadata", METADATA_STATES)
            left = dict(server["metadata"] or {})
            if key not in left:
                raise NotFound("Metadata item was not found")
            del left[key]
            servers.change(session, server_id, metadata=left)

        self.env.db.run(work)

    def changeable(
        self, session: Session, ctx: Context, server_id: str, verb: str, states: tuple[str, ...]
    ) -> Record:
        """A server whose metadata or tags may change, held until the transaction ends."""
        servers.hold(session, server_id)  # two requests that each add an item must both be seen
        server = servers.get(session, server_id, scope(ctx))
        _check_lock(ctx, server)
        if server["vm_state"] not in states:
            raise InvalidServerState(
                verb=verb, server_id=server_id, attr="vm_state", state=server["vm_state"]
            )
        return server

    def change_security_group(self, ctx: Context, server_id: str, name: str, add: bool) -> None:
        def work(session: Session) -> None:
            servers.hold(session, server_id)
            server = servers.get(session, server_id, scope(ctx))
            _check_lock(ctx, server)
            names = list(server["security_groups"] or ())
            if add == (name in names):
                if add:
                    return
                raise NotFound(f"Security group {name} is not associated with the instance {server_id}.")
            names = [*names, name] if add else [one for one in names if one != name]
            servers.change(session, server_id, security_groups=names)

        self.env.db.run(work)

    # --- act

    def delete(self, ctx: Context, server_id: str, force: bool = False) -> Accepted:
        def work(session: Session) -> Accepted:
            server = servers.get(session, server_id, scope(ctx))
            _check_lock(ctx, server)
            return deletion.begin(self.env, session, ctx, server, force)

        return self.env.db.run(work)

    def act(self, ctx: Context, body: ServerAction) -> Accepted:
        return self.env.db.run(lambda session: self.act_in(session, ctx, body))

    def act_in(self, session: Session, ctx: Context, body: ServerAction) -> Accepted:
        """The same in the caller's transaction."""
        rule = ACTIONS.get(body.verb)
        if rule is None:
            raise BadRequest(f"There is no such action: {body.verb}")
        return self._act(session, ctx, body, rule)

    def _act(self, session: Session, ctx: Context, body: ServerAction, rule: ActionRule) -> Accepted:
        server = servers.get(session, body.server_id, scope(ctx))
        if rule.minds_lock:
            _check_lock(ctx, server)
        if rule.needs_host and server["host"] is None and server["vm_state"] in rule.allowed_from:
            raise ServerNotReady(server_id=body.server_id)
        if body.verb in ENDS_CONSOLES:
            console_tokens.revoke(session, body.server_id)
        if rule.during:
            db_tasks.supersede(session, body.server_id, rule.during)
        task_id = new_id()
        servers.begin(session, body.server_id, body.verb, task_id)
        prepare, more = self.env.tasks.flows[rule.flow].prepare, Prepared()
        if prepare is not None:
            more = prepare(self.env, session, Asked(ctx, body.verb, server, task_id, body.params))
        if more.changes:
            servers.change(session, body.server_id, **more.changes)
        args = {"verb": body.verb, "host": server["host"], "params": body.params, **more.args}
        secret = body.admin_pass if more.changes.get("config_drive", server["config_drive"]) else None
        db_tasks.open_task(
            session, ctx, more.flow or rule.flow, rule.record, body.server_id, server["project_id"],
            self.env.tasks.look_at(), args, task_id, secret,
        )  # fmt: skip
        facts = dict(more.facts)
        if body.show:
            record = servers.get(session, body.server_id)
            self._finish(session, ctx, [record])
            facts["server"] = record
        return Accepted(server_id=body.server_id, task_id=task_id, facts=facts)

    def lock(self, ctx: Context, server_id: str, reason: str | None = None) -> None:
        def work(session: Session) -> None:
            server = servers.get(session, server_id, scope(ctx))
            holder = _lock_holder(ctx, server)
            if server["locked_by"] and holder == "owner":
                return  # an administrator's lock must not become one that the owner can lift
            reasons = {} if server["locked_by"] and reason is None else {"locked_reason": reason}
            servers.change(session, server_id, locked_by=holder, **reasons)
            db_tasks.record_done(session, ctx, "lock", server_id, server["project_id"])

        self.env.db.run(work)

    def unlock(self, ctx: Context, server_id: str, override: bool | None = None) -> None:
        def work(session: Session) -> None:
            server = servers.get(session, server_id, scope(ctx))
            foreign = server["locked_by"] not in (None, _lock_holder(ctx, server))
            if foreign and not (ctx.is_admin if override is None else override):
                raise PolicyNotAuthorized(rule=UNLOCK_OVERRIDE)
            servers.change(session, server_id, locked_by=None, locked_reason=None)
            db_tasks.record_done(session, ctx, "unlock", server_id, server["project_id"])

        self.env.db.run(work)

    def reset_state(self, ctx: Context, server_id: str, state: str) -> None:
        if state not in (ACTIVE, ERROR):
            raise BadRequest(f"The state of a server can be reset to {ACTIVE} or {ERROR} only.")

        before, hosts = self.env.db.run(
            lambda session: reset_state.reset(self.env, session, ctx, server_id, scope(ctx), state)
        )
        self.env.feed.changed(hosts)
        LOG.warning("Server %s was reset to %s by user %s; it was %s (%s)",
                    server_id, state, ctx.user_id, before["vm_state"], before["task_state"])

    def inject_network_info(self, ctx: Context, server_id: str) -> None:
        with self.env.db.read() as session:
            server = servers.get(session, server_id, scope(ctx))
        _check_lock(ctx, server)
        if server["host"] is None:
            raise ServerNotReady(server_id=server_id)

    # --- ask the host

    def console_output(self, ctx: Context, server_id: str, length: int | None = None) -> str:
        with self.env.db.read() as session:
            server = servers.get(session, server_id, scope(ctx))
        if server["host"] is None or (server["launched_at"] is None and server["vm_state"] == BUILDING):
            raise ServerNotReady(server_id=server_id)
        try:
            return self.env.client.of(Guests, host=server["host"]).console_output(ctx, server_id, length)
        except GuestNotFound as error:
            raise NotFound(f"There is no console log of instance {server_id}.") from error


def _lock_holder(ctx: Context, server: Record) -> str:
    """Whose lock this caller's would be: whoever acts for the server's own project is its owner."""
    return "owner" if server["project_id"] == ctx.project_id else "admin"


def _check_lock(ctx: Context, server: Record) -> None:
    """Locked means: only administrators change it."""
    if server["locked_by"] and not ctx.is_admin:
        raise ServerLocked(server_id=server["id"])
