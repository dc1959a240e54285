"""The endpoint that answers the conductor: takes work on and returns at once; the desk does it in turn."""

from __future__ import annotations

import logging
from collections.abc import Callable

from oslo_config import cfg

from novalite import log
from novalite.compute import build, consoles, power, rebuild, resize
from novalite.compute.build import Bench
from novalite.compute.networks import STARTING, GuestNetworks
from novalite.compute.reporting import Outcome, Reporter, name_of
from novalite.compute.snapshots import Snapshotter
from novalite.compute.work import Job, WorkDesk
from novalite.context import Context
from novalite.objects.servers import HostWork
from novalite.rpc.contracts.compute import Guests

LOG = logging.getLogger(__name__)

DISCARD = "discard"
"""Verb of a removal that the conductor does not wait for: it has given the build up."""


class GuestsEndpoint(Guests):
    """See the contract."""

    def __init__(
        self, conf: cfg.ConfigOpts, bench: Bench, desk: WorkDesk, reporter: Reporter, networks: GuestNetworks
    ) -> None:
        self.conf, self.bench, self.driver = conf, bench, bench.driver
        self.desk, self.reporter, self.networks = desk, reporter, networks
        self.snapshots = Snapshotter(conf, bench.driver, reporter)

    def spawn(self, ctx: Context, work: HostWork) -> None:
        def act(job: Job, outcome: Outcome) -> None:
            build.spawn(self.bench, work.server, outcome, job.check, bool(work.params.get("fresh")))

        self._take(ctx, work, act, slow=True)

    def destroy(self, ctx: Context, work: HostWork) -> None:
        self.desk.cancel_builds(work.server.id)
        self._take(ctx, work, lambda job, out: build.destroy(self.bench, work.server, out))

    def rebuild(self, ctx: Context, work: HostWork) -> None:
        def act(job: Job, outcome: Outcome) -> None:
            rebuild.rebuild(self.bench, work, outcome, job.check)

        self._take(ctx, work, act, slow=True)

    def rescue(self, ctx: Context, work: HostWork) -> None:
        def act(job: Job, outcome: Outcome) -> None:
            rebuild.rescue(self.bench, self.conf, work, outcome, job.check)

        self._take(ctx, work, act, slow=True)

    def power(self, ctx: Context, work: HostWork) -> None:
        self._take(ctx, work, lambda job, out: power.perform(self.driver, self.conf, work, out))

    def resize(self, ctx: Context, work: HostWork) -> None:
        def act(job: Job, outcome: Outcome) -> None:
            resize.perform(self.driver, self.conf, work, outcome, job.check)

        self._take(ctx, work, act, slow=work.verb == resize.SLOW)

    def snapshot(self, ctx: Context, work: HostWork) -> None:
        def act(job: Job, outcome: Outcome) -> None:
            self.snapshots.take(ctx, work, outcome, job.check)

        self._take(ctx, work, act, slow=True)

    def console_output(self, ctx: Context, server_id: str, length: int | None = None) -> str:
        log_end = self.driver.console_output(server_id, self.conf.compute.console_max_bytes)
        return consoles.tail(log_end, length)

    def _take(
        self, ctx: Context, work: HostWork, act: Callable[[Job, Outcome], None], slow: bool = False
    ) -> None:
        def start(job: Job, outcome: Outcome) -> None:
            if work.verb in STARTING and work.server.vifs:
                outcome.step("networks")
                self.networks.ready(work.server, job.check)
            act(job, outcome)

        def run(job: Job) -> None:
            with log.bind(ctx):
                self._do(ctx, work, lambda outcome: start(job, outcome))

        if not self.desk.submit(Job(work.server.id, run, name_of(work), build=slow)):
            LOG.info("%s of server %s is in hand already", work.verb, work.server.id)

    def _do(self, ctx: Context, work: HostWork, act: Callable[[Outcome], None]) -> None:
        if (report := self.reporter.remembered(work)) is not None:
            LOG.info("%s of server %s was done before; the same is reported again", work.verb, work.server.id)
            self.reporter.tell(ctx, work, report)
        elif work.verb == DISCARD:
            act(Outcome())  # nobody waits for a report; a failure is logged by the desk
            self.reporter.note_power(work.server.id, 0)
        else:
            with self.reporter.reporting(ctx, work) as outcome:
                act(outcome)
