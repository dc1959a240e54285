"""A conductor that keeps servers in a dict: what the API's own tests talk to over the bus.

It holds no rules of its own beyond what the contract promises the API (foreign ids are not found).
"""

from __future__ import annotations

from typing import Any

from novalite.context import Context
from novalite.errors import ActionNotFound, NotFound, ServerNotFound
from novalite.objects.base import Packed, Record, pack
from novalite.objects.servers import (
    Accepted,
    CreatedServers,
    CreateServers,
    ServerAction,
    ServerQuery,
    ServerUpdate,
)
from novalite.rpc.contracts.passwords import Passwords
from novalite.rpc.contracts.servers import InstanceActions, Servers, Tasks
from tests.api.support import PROJECT

CREATED = "2026-01-31T10:00:00.000000"


def server_id(number: int) -> str:
    """A UUID that is easy to read."""
    return f"00000000-0000-4000-8000-{number:012d}"


SERVER, FAILED, FOREIGN, DELETED = (server_id(n) for n in (1, 2, 3, 4))


def a_server(**changes: Any) -> Record:
    """A record as the conductor answers it."""
    record: Record = {
        "id": SERVER,
        "name": "web",
        "description": "front",
        "hostname": "web",
        "project_id": PROJECT,
        "user_id": "u-member",
        "vm_state": "active",
        "task_state": None,
        "power_state": 1,
        "locked_by": None,
        "locked_reason": None,
        "host": "alpha",
        "node": "alpha.example",
        "host_status": "UP",
        "instance_name": "instance-00000001",
        "availability_zone": "nova",
        "pinned_availability_zone": None,
        "image_id": "11111111-2222-4333-8444-555555555555",
        "image_properties": {"hw_disk_bus": "virtio"},
        "flavor": {
            "flavor_id": "42",
            "name": "m1.tiny",
            "vcpus": 1,
            "ram_mb": 512,
            "disk_gb": 1,
            "ephemeral_gb": 0,
            "swap_mb": 0,
            "extra_specs": {"hw:cpu_policy": "shared"},
        },
        "key_name": "mine",
        "metadata": {"role": "front"},
        "tags": ["blue"],
        "config_drive": True,
        "user_data": "aGVsbG8=",
        "access_ip_v4": None,
        "access_ip_v6": None,
        "disk_config": "MANUAL",
        "progress": 100,
        "reservation_id": "r-1",
        "launch_index": 0,
        "kernel_id": None,
        "ramdisk_id": None,
        "root_device_name": "/dev/vda",
        "created_at": CREATED,
        "updated_at": None,
        "launched_at": "2026-01-31T10:00:05.000000",
        "terminated_at": None,
        "deleted": False,
        "fault": None,
        "addresses": {},
        "security_groups": ["default"],
        "volumes": [{"id": "v1", "delete_on_termination": False}],
        "server_groups": [],
        "scheduler_hints": {"same_host": []},
        "trusted_image_certificates": None,
    }
    return {**record, **changes}


FAULT = {"code": 500, "message": "No valid host was found.", "details": "a traceback", "created": CREATED}


class ScriptedServers(Servers):
    """See the module. `seen` lists the messages that came with calls."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Four servers, nothing asked yet."""
        rows = [
            a_server(),
            a_server(id=FAILED, name="broken", vm_state="error", host=None, fault=FAULT, power_state=0),
            a_server(id=FOREIGN, name="theirs", project_id="a0000000000000000000000000000002"),
            a_server(id=DELETED, name="gone", vm_state="deleted", deleted=True),
        ]
        self.rows: dict[str, Record] = {row["id"]: row for row in rows}
        self.seen: list[Any] = []

    def _find(self, ctx: Context, server_id: str, deleted: bool = False) -> Record:
        row = self.rows.get(server_id)
        foreign = row is not None and row["project_id"] != ctx.project_id and not ctx.sees_all_projects
        if row is None or foreign or (row["deleted"] and not deleted):
            raise ServerNotFound(server_id=server_id)
        return row

    def create(self, ctx: Context, body: CreateServers) -> CreatedServers:
        self.seen.append(body)
        ids = tuple(server_id(100 + n) for n in range(body.max_count))
        return CreatedServers(server_ids=ids, task_ids=tuple(f"t-{i}" for i in ids), reservation_id="r-9")

    def page(self, ctx: Context, query: ServerQuery) -> Packed:
        self.seen.append(query)
        rows = [r for r in self.rows.values() if query.deleted is None or r["deleted"] == query.deleted]
        if query.project_id is not None:
            rows = [r for r in rows if r["project_id"] == query.project_id]
        if query.marker is not None:
            ids = [r["id"] for r in rows]
            rows = rows[ids.index(query.marker) + 1 :]
        rows = rows[: query.limit]
        return pack(rows if query.detail else [{"id": r["id"], "name": r["name"]} for r in rows])

    def show(self, ctx: Context, server_id: str, deleted: bool = False) -> Record:
        return self._find(ctx, server_id, deleted)

    def update(self, ctx: Context, body: ServerUpdate) -> Record:
        self.seen.append(body)
        row = self._find(ctx, body.server_id)
        row.update(body.changes)
        return row

    def delete(self, ctx: Context, server_id: str, force: bool = False) -> Accepted:
        self._find(ctx, server_id)
        return Accepted(server_id=server_id, task_id="t-delete")

    def act(self, ctx: Context, body: ServerAction) -> Accepted:
        self._find(ctx, body.server_id)
        self.seen.append(body)
        return Accepted(server_id=body.server_id, task_id=f"t-{body.verb}")

    def lock(self, ctx: Context, server_id: str, reason: str | None = None) -> None:
        self._find(ctx, server_id).update(locked_by="owner", locked_reason=reason)

    def unlock(self, ctx: Context, server_id: str, override: bool | None = None) -> None:
        self._find(ctx, server_id).update(locked_by=None, locked_reason=None)

    def reset_state(self, ctx: Context, server_id: str, state: str) -> None:
        self._find(ctx, server_id).update(vm_state=state, task_state=None)

    def inject_network_info(self, ctx: Context, server_id: str) -> None:
        self._find(ctx, server_id)

    def set_metadata(
        self, ctx: Context, server_id: str, metadata: dict[str, str], replace: bool = False
    ) -> dict[str, str]:
        row = self._find(ctx, server_id)
        row["metadata"] = dict(metadata) if replace else {**row["metadata"], **metadata}
        return dict(row["metadata"])

    def delete_metadata(self, ctx: Context, server_id: str, key: str) -> None:
        if self._find(ctx, server_id)["metadata"].pop(key, None) is None:
            raise NotFound("Metadata item was not found")

    def change_security_group(self, ctx: Context, server_id: str, name: str, add: bool) -> None:
        self._find(ctx, server_id)
        self.seen.append((name, add))

    def console_output(self, ctx: Context, server_id: str, length: int | None = None) -> str:
        self._find(ctx, server_id)
        lines = [f"line {n}" for n in range(10)]
        return "\n".join(lines if length is None else lines[len(lines) - length :])


class ScriptedPasswords(Passwords):
    """Changes any password."""

    def change(self, ctx: Context, server_id: str, password: str) -> None:
        pass


class ScriptedTasks(Tasks):
    """Remembers what was poked."""

    def __init__(self) -> None:
        self.poked: list[str] = []

    def poke(self, ctx: Context, task_ids: list[str]) -> None:
        self.poked += task_ids


REQUEST = "req-00000000-0000-4000-8000-0000000000aa"


class ScriptedActions(InstanceActions):
    """Two actions of every server."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    def _action(self, server_id: str, number: int) -> Record:
        return {
            "action": "create",
            "instance_uuid": server_id,
            "request_id": REQUEST if number == 0 else f"req-{number:08d}-0000-4000-8000-000000000000",
            "project_id": PROJECT,
            "user_id": "u-member",
            "start_time": CREATED,
            "updated_at": CREATED,
            "message": None,
        }

    def page(
        self,
        ctx: Context,
        server_id: str,
        limit: int | None = None,
        marker: str | None = None,
        changes_since: str | None = None,
        changes_before: str | None = None,
    ) -> list[Record]:
        self.seen.append({"limit": limit, "marker": marker, "since": changes_since, "before": changes_before})
        return [self._action(server_id, n) for n in range(2)][:limit]

    def show(self, ctx: Context, server_id: str, request_id: str) -> Record:
        if request_id != REQUEST:
            raise ActionNotFound(request_id=request_id, server_id=server_id)
        event = {
            "event": "spawn",
            "start_time": CREATED,
            "finish_time": CREATED,
            "result": "Error",
            "traceback": "a traceback",
            "details": "No space left",
            "host": "alpha",
            "host_id": "abc",
        }
        return {**self._action(server_id, 0), "events": [event]}
