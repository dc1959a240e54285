"""Open vSwitch told what to do, through its database, by `ovs-vsctl`."""

from __future__ import annotations

from collections.abc import Sequence

from novalite.networks.on_host import switching
from novalite.networks.on_host.commands import Commands, NetworkCommandFailed

SECONDS = 10
"""In which the switch must have done what its database says."""
AT_ONCE = 200
"""Commands of one transaction; there is no more room on a command line for some thousands."""


class OpenVswitch:
    """The switch of this host. `database`: how ovs-vsctl reaches it, "" its own way; `datapath`: "system" for the
    kernel's, "netdev" for that in the switch's own process."""

    def __init__(self, commands: Commands, database: str, datapath: str) -> None:
        self.commands, self.datapath = commands, datapath
        self._program = ["ovs-vsctl", f"--timeout={SECONDS}", *([f"--db={database}"] if database else [])]

    def look(self) -> switching.Present:
        """What it does now. Raises NetworkCommandFailed when it does not answer."""
        return switching.read(self._run(["--format=json"], switching.READ))

    def converge(self, wanted: Sequence[switching.Switch], present: switching.Present) -> dict[str, str]:
        """Have exactly these, of ours; answers the networks that are not carried, and why."""
        steps = switching.steps(wanted, present, self.datapath)
        for start in range(0, len(steps), AT_ONCE):
            self._run([], steps[start : start + AT_ONCE])
        return switching.faults(wanted, self.look() if steps else present)

    def _run(self, options: Sequence[str], commands: Sequence[Sequence[str]]) -> str:
        words = [word for one in commands for word in ("--", *one)]
        try:
            return self.commands.run([*self._program, *options, *words], seconds=SECONDS + 5)
        except NetworkCommandFailed as error:
            if "Alarm clock" in str(error):  # how it says that its time is over
                why = "Open vSwitch does not do what its database says: is ovs-vswitchd running?"
                raise NetworkCommandFailed(reason=why) from error
            raise
