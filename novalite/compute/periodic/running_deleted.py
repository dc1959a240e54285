"""Remove guests that no longer belong here: deleted while the host was away, or built elsewhere instead;
and what is left of builds that a kill interrupted.

Only guests that novalite made are looked at, and nothing is removed on a guess: each removal follows
the conductor's own word on that server. Guests it has never heard of are kept by default.
"""

from __future__ import annotations

import logging
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
from novalite.objects.servers import GuestSpec, HostedServer
from novalite.rpc.client import Client
from novalite.rpc.contracts.servers import HostedServers
from novalite.states import PowerState

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Forgotten:
    """What one run saw: guests and interrupted builds of ours, and how many of them were in doubt."""

    checked: int
    suspects: int


def suspects(guests: list[Guest], known: list[HostedServer]) -> list[Guest]:
    """Guests that are not listed, or listed as deleted."""
    rightful = {server.id for server in known if not server.deleted}
    return [guest for guest in guests if guest.server_id not in rightful]


class RunningDeleted:
    """See the module. Removals are work on that server like any other, so they cannot cross a build."""

    def __init__(
        self, conf: cfg.ConfigOpts, driver: Driver, client: Client, host: str, desk: WorkDesk,
        reporter: Reporter, unfinished: Unfinished,
    ) -> None:  # fmt: skip
        self.driver, self.client, self.host = driver, client, host
        self.desk, self.reporter, self.unfinished = desk, reporter, unfinished
        self.actions = {
            Standing.HERE: "noop",
            Standing.DELETED: conf.compute.running_deleted_instance_action,
            Standing.ELSEWHERE: conf.compute.running_deleted_instance_action,
            Standing.UNKNOWN: conf.compute.unknown_guest_action,
        }

    def run(self, ctx: Context) -> Forgotten:
        """Guests are listed before the conductor is asked: what is here by then, it already knows of."""
        guests, half_built = self.driver.guests(), self.unfinished.specs()
        found = half_built
        if guests:
            known = self.client.of(HostedServers).on_host(ctx, self.host)
            found = half_built + [bare_spec(g.server_id, g.name) for g in suspects(guests, known)]
        for spec in found:
            if not self.desk.in_hand(spec.id):
                self.desk.submit(Job.own(spec.id, self._judge, ctx, spec))
        return Forgotten(checked=len(guests) + len(half_built), suspects=len(found))

    def _judge(self, ctx: Context, spec: GuestSpec) -> None:
        try:
            found = standing(self.client, ctx, self.host, spec.id)
            # HERE: the conductor asks for an interrupted build again, the driver replaces what it finds
            action = self.actions[found]
            if action == "log":
                LOG.warning("Guest %s (%s) %s; it is left alone", spec.id, spec.instance_name, found.value)
            elif action == "reap":
                LOG.warning("Guest %s (%s) %s; it is removed", spec.id, spec.instance_name, found.value)
                build.remove(self.driver, self.unfinished, spec)
                self.reporter.note_power(spec.id, PowerState.NOSTATE)
        except NovaliteError as error:
            LOG.warning("Guest %s may be one too many; looked at again later: %s", spec.id, error)
