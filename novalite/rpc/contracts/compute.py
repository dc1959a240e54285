"""What a compute host can be asked. Every method may be asked twice with the same effect."""

from __future__ import annotations

from novalite.context import Context
from novalite.objects.servers import HostWork
from novalite.rpc.contracts.base import Contract, call, cast


class Guests(Contract, topic="compute", namespace="guests", version="1.1"):
    """conductor -> one compute host. Answers of casts come back as HostedServers.finished."""

    @cast()
    def spawn(self, ctx: Context, work: HostWork) -> None:
        """Build disks and guest, start it. A guest that already runs is success."""
        raise NotImplementedError

    @cast()
    def destroy(self, ctx: Context, work: HostWork) -> None:
        """Make sure that guest and disks are gone. Absence is success."""
        raise NotImplementedError

    @cast()
    def power(self, ctx: Context, work: HostWork) -> None:
        """`work.verb` of states.ACTIONS: start, stop, reboot, reboot_hard, pause, unpause, suspend, resume."""
        raise NotImplementedError

    @cast()
    def rebuild(self, ctx: Context, work: HostWork) -> None:
        """New disks from `work.server.image`; params: `keep_ephemeral`, and `start` False to leave it off.
        A failure's facts say `replaced` when the old root disk is gone."""
        raise NotImplementedError

    @cast()
    def rescue(self, ctx: Context, work: HostWork) -> None:
        """Start from a disk of `work.server.rescue.image`. After a failure the guest is as it was."""
        raise NotImplementedError

    @cast()
    def resize(self, ctx: Context, work: HostWork) -> None:
        """`work.verb`: resize_power_off, resize_disks, resize_start, resize_put_back or resize_confirm.

        `work.server` has the flavor the guest is to have afterwards; `work.params`: `migration`, `old_flavor`,
        and whether to `start` it.
        """
        raise NotImplementedError

    @cast()
    def snapshot(self, ctx: Context, work: HostWork) -> None:
        """Make an image of the root disk as it is now and send it to the image service.

        `work.params`: `image`, an objects.images.ImageTarget, and `states`, the task_states to tell before the
        disk is read and before it is sent. The report's facts: size, checksum (MD5), sha512; without them when
        the image had its bytes already.
        """
        raise NotImplementedError

    @call(timeout=30)
    def console_output(self, ctx: Context, server_id: str, length: int | None = None) -> str:
        """The last `length` lines of the serial console; None: all that is kept (bounded)."""
        raise NotImplementedError
