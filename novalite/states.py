"""Server states as data: vm, task and power states, what each action needs, status as users see it.

The API, the conductor and the docs page of legal transitions all read these tables.
Sources: Compute API guide "Server concepts", API reference "Servers - run an action".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

# --- vm_state: what the server is -----------------------------------------------------------
BUILDING = "building"
ACTIVE = "active"
STOPPED = "stopped"
PAUSED = "paused"
SUSPENDED = "suspended"
RESCUED = "rescued"
RESIZED = "resized"
SOFT_DELETED = "soft-delete"
DELETED = "deleted"
ERROR = "error"
SHELVED = "shelved"
SHELVED_OFFLOADED = "shelved_offloaded"

# --- task_state: what is being done to it, None when nothing --------------------------------
SCHEDULING = "scheduling"
SPAWNING = "spawning"
POWERING_ON = "powering-on"
POWERING_OFF = "powering-off"
REBOOTING = "rebooting"
REBOOTING_HARD = "rebooting_hard"
PAUSING = "pausing"
UNPAUSING = "unpausing"
SUSPENDING = "suspending"
RESUMING = "resuming"
DELETING = "deleting"
SOFT_DELETING = "soft-deleting"
RESTORING = "restoring"
UPDATING_PASSWORD = "updating_password"
SENDING_NMI = "sending-nmi"
REBUILDING = "rebuilding"
RESCUING = "rescuing"
UNRESCUING = "unrescuing"
MIGRATING = "migrating"
RESIZE_PREP = "resize_prep"
RESIZE_MIGRATING = "resize_migrating"
RESIZE_MIGRATED = "resize_migrated"
RESIZE_FINISH = "resize_finish"
RESIZE_CONFIRMING = "resize_confirming"
RESIZE_REVERTING = "resize_reverting"
IMAGE_SNAPSHOT_PENDING = "image_snapshot_pending"
IMAGE_SNAPSHOT = "image_snapshot"
IMAGE_BACKUP = "image_backup"
IMAGE_PENDING_UPLOAD = "image_pending_upload"
IMAGE_UPLOADING = "image_uploading"
SHELVING = "shelving"
SHELVING_IMAGE_PENDING_UPLOAD = "shelving_image_pending_upload"
SHELVING_IMAGE_UPLOADING = "shelving_image_uploading"
SHELVING_OFFLOADING = "shelving_offloading"
UNSHELVING = "unshelving"
ATTACHING_INTERFACE = "attaching_interface"
DETACHING_INTERFACE = "detaching_interface"

PLUGGABLE = (ACTIVE, PAUSED, STOPPED)
"""vm_states in which interfaces come and go (Compute API reference)."""

REBOOT_TASKS = ("rebooting", "reboot_pending", "reboot_started")
HARD_REBOOT_TASKS = ("rebooting_hard", "reboot_pending_hard", "reboot_started_hard")
REBUILD_TASKS = ("rebuilding", "rebuild_block_device_mapping", "rebuild_spawning")
REBUILD_SPAWNING = REBUILD_TASKS[-1]
RESIZE_TASKS = (RESIZE_PREP, RESIZE_MIGRATING, RESIZE_MIGRATED, RESIZE_FINISH)


class PowerState(IntEnum):
    """What the hypervisor says (API reference: OS-EXT-STS:power_state)."""

    NOSTATE = 0
    RUNNING = 1
    PAUSED = 3
    SHUTDOWN = 4
    CRASHED = 6
    SUSPENDED = 7


@dataclass(frozen=True)
class ActionRule:
    """One row of ACTIONS.

    `allowed_from`: vm_states that accept the action; `busy`: the task_state while it runs;
    `lands_in`: the vm_state when it is done (None: unchanged, or the flow decides); `during`: task_states
    that do not stand in its way; `record`: its name in os-instance-actions; `flow`: the kind of task that
    carries it out; `needs_host`: whether a server without a host cannot do it; `minds_lock`: whether a lock
    stands in its way.
    """

    allowed_from: tuple[str, ...]
    busy: str
    lands_in: str | None = None
    power: PowerState | None = None
    during: tuple[str, ...] = ()
    record: str = ""
    flow: str = "power"
    needs_host: bool = True
    minds_lock: bool = True


ACTIONS: dict[str, ActionRule] = {
    "start": ActionRule((STOPPED,), POWERING_ON, ACTIVE, PowerState.RUNNING, record="start"),
    "stop": ActionRule((ACTIVE, ERROR), POWERING_OFF, STOPPED, PowerState.SHUTDOWN, record="stop"),
    "reboot": ActionRule((ACTIVE,), REBOOTING, ACTIVE, PowerState.RUNNING, record="reboot"),
    "reboot_hard": ActionRule(
        (ACTIVE, STOPPED, PAUSED, SUSPENDED, ERROR),
        REBOOTING_HARD,
        ACTIVE,
        PowerState.RUNNING,
        during=REBOOT_TASKS,
        record="reboot",
    ),
    "pause": ActionRule((ACTIVE,), PAUSING, PAUSED, PowerState.PAUSED, record="pause"),
    "unpause": ActionRule((PAUSED,), UNPAUSING, ACTIVE, PowerState.RUNNING, record="unpause"),
    "suspend": ActionRule((ACTIVE,), SUSPENDING, SUSPENDED, PowerState.SHUTDOWN, record="suspend"),
    "resume": ActionRule((SUSPENDED,), RESUMING, ACTIVE, PowerState.RUNNING, record="resume"),
    "restore": ActionRule((SOFT_DELETED,), RESTORING, ACTIVE, record="restore", flow="restore"),
    "trigger_crash_dump": ActionRule(
        (ACTIVE, PAUSED, RESCUED, RESIZED, ERROR), SENDING_NMI, record="trigger_crash_dump", flow="signal"
    ),
    "change_password": ActionRule(
        (ACTIVE,), UPDATING_PASSWORD, record="changePassword", flow="change_password"
    ),
    "attach_interface": ActionRule(
        PLUGGABLE, ATTACHING_INTERFACE, record="attach_interface", flow="attach_interface"
    ),
    "detach_interface": ActionRule(
        PLUGGABLE, DETACHING_INTERFACE, record="detach_interface", flow="detach_interface"
    ),
    "rebuild": ActionRule((ACTIVE, STOPPED, ERROR), REBUILDING, record="rebuild", flow="rebuild"),
    "rescue": ActionRule((ACTIVE, STOPPED, ERROR), RESCUING, RESCUED, record="rescue", flow="rescue"),
    "unrescue": ActionRule((RESCUED,), UNRESCUING, ACTIVE, record="unrescue", flow="unrescue"),
    "resize": ActionRule((ACTIVE, STOPPED), RESIZE_PREP, RESIZED, record="resize", flow="resize"),
    "migrate": ActionRule((ACTIVE, STOPPED), RESIZE_PREP, RESIZED, record="migrate", flow="migrate"),
    "live_migrate": ActionRule((ACTIVE, PAUSED), MIGRATING, record="live-migration", flow="live_migrate"),
    "evacuate": ActionRule(
        (ACTIVE, STOPPED, ERROR), REBUILDING, record="evacuate", flow="evacuate", minds_lock=False
    ),
    "confirm_resize": ActionRule((RESIZED,), RESIZE_CONFIRMING, record="confirmResize", flow="confirm_resize"),
    "revert_resize": ActionRule((RESIZED,), RESIZE_REVERTING, record="revertResize", flow="revert_resize"),
    "createImage": ActionRule(
        (ACTIVE, STOPPED, PAUSED, SUSPENDED), IMAGE_SNAPSHOT_PENDING, record="createImage", flow="snapshot",
        minds_lock=False,
    ),
    "createBackup": ActionRule(
        (ACTIVE, STOPPED, PAUSED, SUSPENDED), IMAGE_BACKUP, record="createBackup", flow="snapshot",
        minds_lock=False,
    ),
    "shelve": ActionRule((ACTIVE, STOPPED, PAUSED, SUSPENDED), SHELVING, record="shelve", flow="shelve"),
    "shelveOffload": ActionRule((SHELVED,), SHELVING_OFFLOADING, record="shelveOffload", flow="offload"),
    "unshelve": ActionRule(
        (SHELVED, SHELVED_OFFLOADED), UNSHELVING, ACTIVE, record="unshelve", flow="unshelve", needs_host=False
    ),
}
"""Actions that are a task. `create`, `delete`, `lock` and `unlock` are accepted by other rules."""

POWER_VERBS = tuple(verb for verb, rule in ACTIONS.items() if rule.flow == "power")
"""Actions that are nothing but one order to the host of the server."""

ENDS_CONSOLES = frozenset(
    {"stop", "suspend", "rebuild", "rescue", "unrescue", "resize", "migrate", "live_migrate", "evacuate",
     "revert_resize", "shelve", "shelveOffload"}
)  # fmt: skip
"""Actions after which the guest is not what, or not where, it was: URLs of its consoles are void from then on. So
they are after a deletion, and when a guest stops on its own."""

CONSOLE_TASKS = frozenset(
    {rule.busy for verb, rule in ACTIONS.items() if verb not in ENDS_CONSOLES}
    | {*REBOOT_TASKS, *HARD_REBOOT_TASKS, IMAGE_PENDING_UPLOAD, IMAGE_UPLOADING}
)
"""task_states during which a console may be opened, besides none."""

CONSOLE_POWER = (PowerState.RUNNING, PowerState.PAUSED)
"""Power states of guests that have a screen and a serial console."""

PROGRESS = frozenset(
    {IMAGE_PENDING_UPLOAD, IMAGE_UPLOADING, SHELVING_IMAGE_PENDING_UPLOAD, SHELVING_IMAGE_UPLOADING}
)
"""task_states that the host at work on a server may say it has come to."""

SEEN: dict[tuple[str, PowerState], str] = {
    (ACTIVE, PowerState.SHUTDOWN): STOPPED,
    (ACTIVE, PowerState.CRASHED): STOPPED,
    (ACTIVE, PowerState.PAUSED): PAUSED,
    (PAUSED, PowerState.RUNNING): ACTIVE,
    (PAUSED, PowerState.SHUTDOWN): STOPPED,
    (PAUSED, PowerState.CRASHED): STOPPED,
    (STOPPED, PowerState.RUNNING): ACTIVE,
    (SUSPENDED, PowerState.RUNNING): ACTIVE,
}
"""The vm_state of an idle server whose guest changed on its own; the record follows what is true."""

STATUS_BY_VM_STATE = {
    BUILDING: "BUILD",
    ACTIVE: "ACTIVE",
    STOPPED: "SHUTOFF",
    PAUSED: "PAUSED",
    SUSPENDED: "SUSPENDED",
    RESCUED: "RESCUE",
    RESIZED: "VERIFY_RESIZE",
    ERROR: "ERROR",
    DELETED: "DELETED",
    SOFT_DELETED: "SOFT_DELETED",
    SHELVED: "SHELVED",
    SHELVED_OFFLOADED: "SHELVED_OFFLOADED",
}

_WHILE_BUSY: dict[str, dict[str, str]] = {
    ACTIVE: {
        **dict.fromkeys(REBOOT_TASKS, "REBOOT"),
        **dict.fromkeys(HARD_REBOOT_TASKS, "HARD_REBOOT"),
        UPDATING_PASSWORD: "PASSWORD",
        **dict.fromkeys(REBUILD_TASKS, "REBUILD"),
        "migrating": "MIGRATING",
        **dict.fromkeys(RESIZE_TASKS, "RESIZE"),
    },
    STOPPED: {**dict.fromkeys(RESIZE_TASKS, "RESIZE"), **dict.fromkeys(REBUILD_TASKS, "REBUILD")},
    RESIZED: {"resize_reverting": "REVERT_RESIZE"},
    PAUSED: {"migrating": "MIGRATING"},
    ERROR: dict.fromkeys(REBUILD_TASKS, "REBUILD"),
}


def status(vm_state: str, task_state: str | None = None) -> str:
    """The status a user sees; `UNKNOWN` for a state this version does not know."""
    if task_state is not None and (shown := _WHILE_BUSY.get(vm_state, {}).get(task_state)):
        return shown
    return STATUS_BY_VM_STATE.get(vm_state, "UNKNOWN")


def vm_states_of(shown: str) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
    """What a `status=` filter means: the vm_states and, for a busy status, the task_states.

    Returns ((), None) for a status that does not exist.
    """
    shown = shown.upper()
    vm_states = tuple(vm for vm, name in STATUS_BY_VM_STATE.items() if name == shown)
    if vm_states:
        return vm_states, None
    pairs = [(vm, task) for vm, tasks in _WHILE_BUSY.items() for task, name in tasks.items() if name == shown]
    return tuple(dict.fromkeys(vm for vm, _ in pairs)), tuple(dict.fromkeys(t for _, t in pairs)) or None
