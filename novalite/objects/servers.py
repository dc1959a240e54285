"""Servers as messages: what the API asks for, what a host is told, what comes back."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from novalite.objects.base import Message
from novalite.objects.flavors import Flavor
from novalite.objects.host_networks import Vif
from novalite.objects.images import ImageSource
from novalite.objects.numa import Placed
from novalite.objects.pci import GivenDevice


class CreateServers(Message):
    """api -> conductor: one accepted POST /servers, any number of servers of the same kind.

    The conductor resolves flavor, image and key in the creating transaction, so that one request
    costs one call. `availability_zone` may be None (any); `forced_host` bypasses no capacity claim.
    `networks`: auto, none, unsaid (the only one there is, if there is one), or for each interface network_id or
    port_id, fixed_ip and tag; `external_networks`: whether one may be external without being shared.
    `security_groups`: names or ids. `admin_pass`: for guests that have a config drive to read it from.
    """

    name: str
    flavor_id: str
    image_id: str | None = None
    min_count: int = 1
    max_count: int = 1
    key_name: str | None = None
    metadata: dict[str, str] = Field(default_factory=dict)
    tags: tuple[str, ...] = ()
    user_data: str | None = None
    description: str | None = None
    hostname: str | None = None
    availability_zone: str | None = None
    forced_host: str | None = None
    forced_node: str | None = None
    requested_host: str | None = None
    requested_node: str | None = None
    config_drive: bool = False
    access_ip_v4: str | None = None
    access_ip_v6: str | None = None
    disk_config: Literal["AUTO", "MANUAL"] = "MANUAL"
    scheduler_hints: dict[str, Any] = Field(default_factory=dict)
    security_groups: tuple[str, ...] = ()
    trusted_image_certificates: tuple[str, ...] | None = None
    networks: str | tuple[dict[str, Any], ...] = "auto"
    external_networks: bool = False
    personality: tuple[dict[str, str], ...] = ()
    admin_pass: str | None = Field(default=None, repr=False)


class CreatedServers(Message):
    """conductor -> api: ids in launch order, and the tasks to poke: those that build them, unless the conductor has
    begun with that."""

    server_ids: tuple[str, ...]
    task_ids: tuple[str, ...]
    reservation_id: str


class ServerQuery(Message):
    """One page of servers. Filters are already checked against what the caller may use.

    `filters` holds column filters by API name (values already parsed); `project_id` None means
    every project. `detail` False asks for ids and names only, `user_data` False leaves that out.
    `deleted` None asks for all, True for those that are gone. `soft_deleted`: whether servers that can
    still be restored are listed, with `deleted` among the deleted ones (None: nothing is said of them).
    `shares`: the asker's `unpack_records` knows values that are said once for many records.
    """

    detail: bool = True
    project_id: str | None = None
    filters: dict[str, Any] = Field(default_factory=dict)
    limit: int = 1000
    marker: str | None = None
    sort: tuple[tuple[str, Literal["asc", "desc"]], ...] = (("created_at", "desc"), ("id", "desc"))
    changes_since: str | None = None
    changes_before: str | None = None
    deleted: bool | None = False
    soft_deleted: bool | None = None
    user_data: bool = True
    shares: bool = False


class ServerAction(Message):
    """api -> conductor: do `verb` (a key of states.ACTIONS) to a server.

    `show`: the answer's facts are to hold the server's new record, as `server`. `admin_pass`: see CreateServers.
    """

    server_id: str
    verb: str
    params: dict[str, Any] = Field(default_factory=dict)
    show: bool = False
    admin_pass: str | None = Field(default=None, repr=False)


class ServerUpdate(Message):
    """api -> conductor: the fields of PUT /servers/{id}; only those in `changes` are touched."""

    server_id: str
    changes: dict[str, Any] = Field(default_factory=dict)


class Accepted(Message):
    """conductor -> api: the intent is written; `task_id` is to be poked (None: nothing left to do).

    `facts`: what the answer needs to know of it, such as the id of an image that will be.
    """

    server_id: str
    task_id: str | None = None
    facts: dict[str, Any] = Field(default_factory=dict)


class Rescue(Message):
    """How a guest is rescued: from a disk of this image.

    Plain: that disk is the root disk, and the guest's own root disk the second one. `stable`: all disks stay
    where they are, and the rescue disk is one more, from which the guest starts. `bus` None: the usual one.
    `properties` are the image's: in a plain rescue they say what the machine is. `image` is there only while
    the disk is to be made.
    """

    stable: bool = False
    device: Literal["disk", "cdrom", "floppy"] = "disk"
    bus: str | None = None
    properties: dict[str, str] = Field(default_factory=dict)
    image: ImageSource | None = None


class GuestSpec(Message):
    """conductor -> compute: everything a host needs to know of one server to act on it.

    `rescue` None: it is not being rescued. `vifs` in the order in which the guest finds its network cards.
    `security_groups` (names), `floating_ips` and `admin_pass` are there only where the guest is to read them.
    `pci_devices` and `placed`: what it has of the host that this is told to; `placed` None: nothing in particular.
    `dedicated_cpus`: its vCPUs that have a CPU of their own, wherever it is.
    """

    id: str
    name: str
    hostname: str
    instance_name: str
    project_id: str
    user_id: str
    flavor: Flavor
    image: ImageSource | None = None
    image_properties: dict[str, str] = Field(default_factory=dict)
    metadata: dict[str, str] = Field(default_factory=dict)
    key_name: str | None = None
    public_key: str | None = None
    user_data: str | None = None
    config_drive: bool = False
    availability_zone: str | None = None
    launch_index: int = 0
    created_at: str | None = None
    personality: tuple[dict[str, str], ...] = ()
    rescue: Rescue | None = None
    vifs: tuple[Vif, ...] = ()
    image_id: str | None = None
    reservation_id: str = ""
    root_device_name: str | None = None
    security_groups: tuple[str, ...] = ()
    floating_ips: tuple[str, ...] = ()
    pci_devices: tuple[GivenDevice, ...] = ()
    placed: Placed | None = None
    dedicated_cpus: tuple[int, ...] = ()
    admin_pass: str | None = Field(default=None, repr=False)


class HostWork(Message):
    """conductor -> compute: one step of a task for this host.

    (`task_id`, `attempt`) names the request: the host answers it with `WorkReport`, may be asked
    for it twice, and lists it in its heartbeat while it is busy with it.
    """

    task_id: str
    attempt: int
    verb: str
    server: GuestSpec
    params: dict[str, Any] = Field(default_factory=dict)


class WorkReport(Message):
    """compute -> conductor: how one piece of HostWork ended.

    `error` is None on success, else one sentence; `error_name` its class; `events` are
    (name, started, finished) steps inside the host, ISO times in UTC, shown as action events.
    """

    task_id: str
    attempt: int
    server_id: str
    host: str
    verb: str
    error: str | None = None
    error_name: str | None = None
    details: str | None = None
    power_state: int | None = None
    events: tuple[tuple[str, str, str], ...] = ()
    facts: dict[str, Any] = Field(default_factory=dict)


class Verdict(Message):
    """conductor -> compute: what to do with the guest after a report.

    `keep` False means the work was no longer wanted (deleted, rescheduled): destroy the guest.
    """

    keep: bool = True


class HostedServer(Message):
    """conductor -> compute: one server that the conductor believes to live on this host."""

    id: str
    instance_name: str
    vm_state: str
    task_state: str | None
    power_state: int
    deleted: bool = False
    task_id: str | None = None


class PowerChange(Message):
    """compute -> conductor: a guest's power state as seen on its host, outside any task."""

    server_id: str
    power_state: int
