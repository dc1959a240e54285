"""Remove guests that no longer belong here: deleted while the host was away, or built elsewhere instead; and switch
off those whose server is deleted but may still be restored.

Only guests that novalite made are looked at, and nothing is removed on a guess: each removal follows
the conductor's own word on that server. Guests it has never heard of are kept by default.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from oslo_config import cfg

from novalite.compute import build
from novalite.compute.reporting import Reporter
from novalite.compute.unfinished import Unfinished
from novalite.compute.virt.driver import Driver, Guest
from novalite.compute.whereabouts import Standing, bare_spec, standing
from novalite.compute.work import Job, WorkDesk
from novalite.context import Context
from novalite.errors import NovaliteError
from novalite.objects.servers import GuestSpec, HostedServer, PowerChange
from novalite.rpc.client import Client
from novalite.rpc.contracts.servers import HostedServers
from novalite.states import SOFT_DELETED, PowerState

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Forgotten:
    """What one run saw: guests of ours, how many of them were in doubt, and how many should be off."""

    checked: int
    suspects: int
    lively: int = 0


def suspects(guests: list[Guest], known: list[HostedServer]) -> list[Guest]:
    """Guests that are not listed, or listed as deleted."""
    rightful = {server.id for server in known if not server.deleted}
    return [guest for guest in guests if guest.server_id not in rightful]


def lively(guests: list[Guest], known: list[HostedServer]) -> list[Guest]:
    """Guests that run although their server is deleted, if only softly, and nothing is being done to it."""
    still = {s.id for s in known if s.vm_state == SOFT_DELETED and s.task_state is None and not s.deleted}
    return [g for g in guests if g.server_id in still and g.power_state is PowerState.RUNNING]


class RunningDeleted:
    """See the module. Removals are work on that server like any other, so they cannot cross a build."""

    def __init__(
        self, conf: cfg.ConfigOpts, driver: Driver, client: Client, host: str, desk: WorkDesk,
        reporter: Reporter, unfinished: Unfinished,
    ) -> None:  # fmt: skip
        self.driver, self.client, self.host = driver, client, host
        self.desk, self.reporter, self.unfinished = desk, reporter, unfinished
        self.patience = conf.compute.shutdown_timeout
        self.actions = {
            Standing.HERE: "noop",
            Standing.DELETED: conf.compute.running_deleted_instance_action,
            Standing.ELSEWHERE: conf.compute.running_deleted_instance_action,
            Standing.UNKNOWN: conf.compute.unknown_guest_action,
        }

    def run(self, ctx: Context) -> Forgotten:
        """Guests are listed before the conductor is asked: what is here by then, it already knows of."""
        guests = self.driver.guests()
        if not guests:
            return Forgotten(checked=0, suspects=0)
        known = self.client.of(HostedServers).on_host(ctx, self.host)
        doubtful, awake = suspects(guests, known), lively(guests, known)
        for guest in doubtful:
            self._submit(ctx, guest, self._judge)
        for guest in awake:
            self._submit(ctx, guest, self._switch_off)
        return Forgotten(len(guests), len(doubtful), len(awake))

    def _submit(self, ctx: Context, guest: Guest, do: Callable[[Context, GuestSpec], None]) -> None:
        if not self.desk.in_hand(guest.server_id):
            spec = bare_spec(guest.server_id, guest.name)
            self.desk.submit(Job.own(guest.server_id, do, ctx, spec))

    def _judge(self, ctx: Context, spec: GuestSpec) -> None:
        try:
            found = standing(self.client, ctx, self.host, spec.id)
            self._act(self.actions[found], spec, found.value)
        except NovaliteError as error:
            LOG.warning("Guest %s may be one too many; looked at again later: %s", spec.id, error)

    def _act(self, action: str, spec: GuestSpec, why: str) -> None:
        if action == "log":
            LOG.warning("Guest %s (%s) %s; it is left alone", spec.id, spec.instance_name, why)
        elif action == "shutdown" and self.driver.power_state(spec.id) is PowerState.RUNNING:
            LOG.warning("Guest %s (%s) %s; it is switched off", spec.id, spec.instance_name, why)
            self.driver.stop_guest(spec, self.patience)
        elif action == "reap":
            LOG.warning("Guest %s (%s) %s; it is removed", spec.id, spec.instance_name, why)
            build.remove(self.driver, self.unfinished, spec)
            self.reporter.note_power(spec.id, PowerState.NOSTATE)

    def _switch_off(self, ctx: Context, spec: GuestSpec) -> None:
        """Its server was deleted while this host was away. It is looked at again first: it may be restored."""
        try:
            conductor = self.client.of(HostedServers)
            guests = [Guest(spec.id, spec.instance_name, self.driver.power_state(spec.id))]
            if not lively(guests, conductor.on_host(ctx, self.host)):
                return
            LOG.warning("Guest %s (%s) runs, but its server is deleted; it is switched off",
                        spec.id, spec.instance_name)
            self.driver.stop_guest(spec, self.patience)
            power = int(self.driver.power_state(spec.id))
            conductor.power_changed(ctx, self.host, [PowerChange(server_id=spec.id, power_state=power)])
            self.reporter.note_power(spec.id, power)
        except NovaliteError as error:
            LOG.warning("Guest %s should be off; looked at again later: %s", spec.id, error)
