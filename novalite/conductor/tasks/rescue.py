"""Rescue a server: its guest starts from a disk of a rescue image; and unrescue, which takes that away again.

A plain rescue makes the rescue disk the root disk and the server's own root disk the second one, on the machine
that the rescue image asks for. An image with the property hw_rescue_device or hw_rescue_bus asks for a stable
rescue: machine and disks stay as they are, and the rescue disk is one more, from which the guest starts.

The rescue disk takes no capacity and need not fit the flavor: it lives as long as the rescue, and is as large as
its image.

When a rescue fails, the host has put the guest back as it was, and the server is what it was before; the
action's events say why. When the host never said, nobody knows from which disk the guest runs: then the server
is in ERROR, from where a hard reboot starts it from its own disks. A failed unrescue leaves it rescued.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from novalite.conductor import create_request
from novalite.conductor.env import Env
from novalite.conductor.task import Asked, CommitStep, Flow, HostStep, Prepared, Task
from novalite.db import servers
from novalite.errors import (
    FlavorMemoryTooSmall,
    ImageNotActive,
    ImageUnacceptable,
    NovaliteError,
    ServerNotRescuable,
)
from novalite.objects.base import Record
from novalite.objects.images import Image
from novalite.objects.servers import HostWork
from novalite.rpc.contracts.compute import Guests
from novalite.states import ACTIVE, RESCUED, PowerState

BUSES = {
    # hw_rescue_device: values that hw_rescue_bus may have with it
    "disk": ("virtio", "scsi", "sata", "ide", "usb"),
    "cdrom": ("scsi", "sata", "ide", "usb"),
    "floppy": ("fdc",),
}
"""Source: "Useful image properties", hw_rescue_device and hw_rescue_bus; what QEMU can plug where."""


def how(image: Image) -> Record:
    """How a server is rescued from this image: `image` (its id), `stable`, `device`, `bus`, `properties`.

    Raises ImageUnacceptable.
    """
    device = image.properties.get("hw_rescue_device") or None
    bus = image.properties.get("hw_rescue_bus") or None
    stable = device is not None or bus is not None
    if device is None:
        device = "cdrom" if image.disk_format == "iso" else "disk"
    if device not in BUSES:
        raise ImageUnacceptable(
            image_id=image.id, reason=f"hw_rescue_device must be one of {', '.join(BUSES)}, not '{device}'."
        )
    if bus is not None and bus not in BUSES[device]:
        choices = ", ".join(BUSES[device])
        raise ImageUnacceptable(
            image_id=image.id, reason=f"hw_rescue_bus of a {device} must be one of {choices}, not '{bus}'."
        )
    return {
        "image": image.id, "stable": stable, "device": device, "bus": bus, "properties": image.properties,
    }  # fmt: skip


def prepare(env: Env, session: Session, asked: Asked) -> Prepared:
    """`params`: image_id, None for the server's own image. Raises BadRequest."""
    server = asked.server
    image_id = asked.params.get("image_id") or server["image_id"]
    if image_id is None:
        reason = "it has no image, and none to rescue it with was given"
        raise ServerNotRescuable(server_id=server["id"], reason=reason)
    image = create_request.find_image(env, session, asked.ctx, image_id)
    if image.status != "active":
        raise ImageNotActive(image_id=image.id)
    if image.min_ram > server["ram_mb"]:
        raise FlavorMemoryTooSmall(needed=image.min_ram, ram=server["ram_mb"])
    return Prepared(args={"rescue": how(image), "rescue_image": image.model_dump(mode="json")})


def ask(env: Env, task: Task, work: HostWork) -> None:
    """Ask the host to start the guest from the rescue image."""
    env.client.of(Guests, host=task.wait_host).rescue(task.ctx, work)


def settle(env: Env, task: Task, session: Session) -> None:
    """It is rescued, and known how: a later start needs it."""
    values = {"vm_state": RESCUED, "rescue": task.args["rescue"], "power_state": _power(task)}
    servers.release(session, task.server_id, task.id, **values)


def failed(env: Env, task: Task, session: Session, error: NovaliteError) -> bool:
    """See the module."""
    if task.facts.get("reported"):
        servers.release(session, task.server_id, task.id, **_seen(task))
    else:
        servers.fail(session, task.server_id, task.id, servers.fault(error.sentence, 500, error.sentence))
    return False


def ask_back(env: Env, task: Task, work: HostWork) -> None:
    """Ask the host to start the guest from its own disks."""
    env.client.of(Guests, host=task.wait_host).power(task.ctx, work)


def settle_back(env: Env, task: Task, session: Session) -> None:
    """It is active, whatever it was before the rescue."""
    values = {"vm_state": ACTIVE, "rescue": None, "power_state": _power(task)}
    servers.release(session, task.server_id, task.id, **values)


def failed_back(env: Env, task: Task, session: Session, error: NovaliteError) -> bool:
    """Still rescued; it may be asked again."""
    servers.release(session, task.server_id, task.id, **_seen(task))
    return False


def _power(task: Task) -> int:
    power = (task.done["host"] or {}).get("power_state")
    return int(PowerState.RUNNING if power is None else power)


def _seen(task: Task) -> dict[str, Any]:
    power = task.facts.get("power_state")
    return {} if power is None else {"power_state": int(power)}


RESCUE = Flow(
    "rescue",
    (
        HostStep(
            "host",
            host=lambda task: task.args["host"],
            ask=ask,
            verb=lambda task: "rescue",
            timeout="instance_build_timeout",
        ),
        CommitStep("settle", settle),
    ),
    failed,
    prepare,
)

UNRESCUE = Flow(
    "unrescue",
    (
        HostStep(
            "host",
            host=lambda task: task.args["host"],
            ask=ask_back,
            verb=lambda task: "unrescue",
            timeout="action_timeout",
        ),
        CommitStep("settle", settle_back),
    ),
    failed_back,
)
