"""libvirt's domain states and lifecycle events in novalite's words. Tables; no libvirt needed.

Numbers are libvirt's stable public ones (virDomainState, virDomain*Reason, virDomainEventType);
a test compares them with the installed library.
"""

from __future__ import annotations

from enum import IntEnum

from novalite.states import PowerState


class State(IntEnum):
    """virDomainState."""

    NOSTATE = 0
    RUNNING = 1
    BLOCKED = 2
    PAUSED = 3
    SHUTDOWN = 4
    SHUTOFF = 5
    CRASHED = 6
    PMSUSPENDED = 7


POWER: dict[int, PowerState] = {
    State.NOSTATE: PowerState.NOSTATE,
    State.RUNNING: PowerState.RUNNING,
    State.BLOCKED: PowerState.RUNNING,
    State.PAUSED: PowerState.PAUSED,
    # Being shut down: QEMU still has the disks open. It counts as off once it is off.
    State.SHUTDOWN: PowerState.RUNNING,
    # Also a guest whose memory was saved (suspend): nothing of it runs.
    State.SHUTOFF: PowerState.SHUTDOWN,
    State.CRASHED: PowerState.CRASHED,
    State.PMSUSPENDED: PowerState.SUSPENDED,
}

SHUTOFF_CRASHED, SHUTOFF_DAEMON = 3, 8
"""virDomainShutoffReason: QEMU ended without being asked; it was found dead by a restarted libvirtd."""

REASONS: dict[tuple[int, int], PowerState] = {
    # Paused by the host for work of its own; the guest goes on, or is off, by itself afterwards.
    (State.PAUSED, 2): PowerState.RUNNING,  # migration
    (State.PAUSED, 3): PowerState.RUNNING,  # save
    (State.PAUSED, 4): PowerState.RUNNING,  # dump
    (State.PAUSED, 7): PowerState.RUNNING,  # from snapshot
    (State.PAUSED, 8): PowerState.RUNNING,  # shutting down
    (State.PAUSED, 9): PowerState.RUNNING,  # snapshot
    (State.PAUSED, 10): PowerState.CRASHED,  # guest panic, kept for inspection
    (State.PAUSED, 11): PowerState.RUNNING,  # starting up
    (State.PAUSED, 12): PowerState.RUNNING,  # post-copy migration
    (State.SHUTOFF, SHUTOFF_CRASHED): PowerState.CRASHED,
    (State.SHUTOFF, SHUTOFF_DAEMON): PowerState.CRASHED,
}
"""(state, reason) pairs that say something else than the state alone."""

ACTIVE = (State.RUNNING, State.BLOCKED, State.PAUSED, State.SHUTDOWN, State.PMSUSPENDED)
"""States in which a QEMU process exists. CRASHED too, when on_crash preserves it, which ours does not."""


class Lifecycle(IntEnum):
    """virDomainEventType."""

    DEFINED = 0
    UNDEFINED = 1
    STARTED = 2
    SUSPENDED = 3
    RESUMED = 4
    STOPPED = 5
    SHUTDOWN = 6
    PMSUSPENDED = 7
    CRASHED = 8


TELLING = (
    Lifecycle.UNDEFINED,
    Lifecycle.STARTED,
    Lifecycle.SUSPENDED,
    Lifecycle.RESUMED,
    Lifecycle.STOPPED,
    Lifecycle.PMSUSPENDED,
    Lifecycle.CRASHED,
)
"""Events after which the power state may be another. (SHUTDOWN is followed by STOPPED.)"""


def power(state: int, reason: int) -> PowerState:
    """The power state of a domain that libvirt describes like this."""
    return REASONS.get((state, reason), POWER.get(state, PowerState.NOSTATE))
