"""A host's networks made as planned. Whatever is there already is kept, so nothing is lost by doing it again."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from novalite.networks.on_host import dnsmasq, links, metadata, names, openvswitch, router_spaces
from novalite.networks.on_host.commands import PACKAGES, Commands, NetworkCommandFailed, find
from novalite.networks.on_host.plan import Host, Plan, plan
from novalite.networks.on_host.ruleset import HOOKS, Ruleset, removal, transaction
from novalite.networks.on_host.switching import Cable, Present
from novalite.objects.host_networks import HostNetworks

LOG = logging.getLogger(__name__)
TOOLS = ("ip", "bridge", "nft", "dnsmasq", "unshare", "nsenter", "flock")
CAP_NET_ADMIN, CAP_SYS_ADMIN = 12, 21
FOLLOWED = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
"""There when br_netfilter is."""


def obstacle(settings: Host | None = None) -> str | None:
    """Why this host cannot have networks, so set, in words for its operator; None when it can."""
    missing = [tool for tool in (*TOOLS, *_tools(settings or Host(""))) if find(tool) is None]
    if missing:
        packages = sorted({PACKAGES[tool] for tool in missing})
        return f"{', '.join(missing)} missing: apt-get install {' '.join(packages)}"
    if not _capable(CAP_NET_ADMIN) or not _capable(CAP_SYS_ADMIN):
        return "the daemon runs without CAP_NET_ADMIN and CAP_SYS_ADMIN, which root has"
    if not FOLLOWED.exists():
        return "the kernel module br_netfilter is not loaded: modprobe br_netfilter"
    return None


def _tools(settings: Host) -> tuple[str, ...]:
    """What Open vSwitch needs more."""
    if settings.switch != "openvswitch":
        return ()
    return ("ovs-vsctl", "ethtool") if settings.datapath == "netdev" else ("ovs-vsctl",)


def _capable(number: int) -> bool:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> number & 1)
    return os.geteuid() == 0


class NetworkHost:
    """Not thread-safe: one caller at a time. Files of DHCP servers are in `folder`, those of routers beside it."""

    def __init__(self, settings: Host, folder: Path) -> None:
        self.settings = settings
        self._commands = Commands(settings.namespace)
        self._switch = openvswitch.OpenVswitch(self._commands, settings.ovsdb, settings.datapath)
        self._servers = dnsmasq.Servers(folder, self._commands)
        self._routers = router_spaces.Routers(folder.with_name(f"{folder.name}-routers"), self._commands)
        self._proxy = metadata.MetadataProxy(folder.with_name(f"{folder.name}-metadata"))
        self._rules: Ruleset | None = None
        self.unserved = ""
        """Why guests here cannot read about themselves; empty when they can, or are not to."""

    def apply(self, wanted: HostNetworks, thorough: bool = False) -> Plan:
        """Make it so, and answer what was planned. Raises NetworkCommandFailed; doing it again goes on from there.

        `thorough`: the firewall is not believed to be there because it was made.
        """
        found = self._look()
        zones = links.zones(found)
        made = plan(wanted, replace(self.settings, interfaces=self._interfaces(found)), zones)
        if made.bridges or zones:
            self._firewall(made.rules, thorough)  # before anything that it is to guard
        present = self._switched(found)
        left = any(name.startswith(names.CABLE) for name in found) or (present is not None and present.ours)
        if not made.bridges and not zones and not left:
            self._withdraw()
            return made
        made = made.without(self._devices(made, found))
        if present is not None:
            made = made.without(self._switch.converge(made.switches, present))
        joining, failed = self._servers.converge(made.servers, set(found))
        self._commands.batch("ip", joining)
        self._commands.batch("bridge", links.forwarding(made, found))
        made = made.without(failed).with_routers(wanted)
        self._tell_guests(wanted, made)
        end = self._routers.converge(made.routers, found, thorough)
        return made.without_routers(end.failed, end.absent, end.waiting)

    def _interfaces(self, found: links.Links) -> dict[str, str]:
        """Of physical networks, those that are there. Open vSwitch says itself what it misses: its own bridges are no
        devices while it is away, and what it carries is not given up for that."""
        switched = self.settings.switch == "openvswitch"
        return {name: one for name, one in self.settings.interfaces.items() if switched or one in found}

    def _devices(self, made: Plan, found: links.Links) -> dict[str, str]:
        """Bridges and tunnels; answers the networks that could not be made, and why: the others do not suffer."""
        failed: dict[str, str] = {}
        try:
            self._commands.batch("ip", links.steps(made, found))
        except NetworkCommandFailed as error:
            tagged = {one.bridge for one in made.vlans}
            failed = {one: f"no VLAN (802.1q) can be had here: {error.sentence}" if names.bridge(one) in tagged
                      else error.sentence for one in links.missing(made, self._look())}  # fmt: skip
            if not failed:
                raise
        self._plug(links.loose(made.without(failed), found))
        return failed

    def _plug(self, loose: Sequence[Cable]) -> None:
        """Join cables to their bridges, fit for what is at their other end."""
        if self.settings.datapath == "netdev":  # which takes checksums as they are: the kernel must have made them
            for cable in loose:
                self._commands.run(["ethtool", "-K", cable.name, "tx", "off"])
        self._commands.batch("ip", links.joining(loose))

    def _switched(self, found: links.Links) -> Present | None:
        """What Open vSwitch does; None where it is not used. What is left of it there, before somebody decided so,
        goes."""
        if self.settings.switch == "openvswitch":
            return self._switch.look()
        if any(name.startswith((names.SWITCH, names.CABLE)) for name in found):
            try:
                self._switch.converge((), self._switch.look())
            except NetworkCommandFailed as error:
                LOG.warning("What was in Open vSwitch of this host could not be removed from it: %s", error)
        return None

    def _tell_guests(self, wanted: HostNetworks, made: Plan) -> None:
        """A network is no worse for guests that cannot read about themselves: it is said, and tried again."""
        servers = self._servers.processes(one.network_id for one in made.servers)
        try:
            self._proxy.converge(wanted.metadata, servers, wanted.ports)
            self.unserved = ""
        except (NetworkCommandFailed, OSError) as error:
            if self.unserved != str(error):
                LOG.warning("Guests cannot read about themselves, trying again: %s", error)
            self.unserved = str(error)

    def _withdraw(self) -> None:
        """There are no networks here: a host that never had any is not touched, one that had is as before."""
        self._servers.converge((), set())
        self._proxy.converge(None, {})
        self._routers.converge((), {}, thorough=False)
        if self._rules is not None:
            self._commands.run(["nft", "-f", "-"], said=removal())
            self._rules = None

    def _firewall(self, rules: Ruleset, thorough: bool) -> None:
        if self._rules is not None and not (thorough and not self._guarded()):
            change = transaction(self._rules, rules)
            if not change:
                return
            try:
                self._commands.run(["nft", "-f", "-"], said=change)
                self._rules = rules
                return
            except NetworkCommandFailed as error:
                LOG.warning("The firewall is not as it was left and is written anew: %s", error)
        self._rules = None
        self._commands.run(["nft", "-f", "-"], said=transaction(None, rules))
        self._rules = rules

    def _guarded(self) -> bool:
        """Whether our chains are there: tried with a transaction that is not carried out, because to list anything
        nft reads all there is."""
        trial = "".join(f"flush chain {table} {chain}\n" for table, chain in HOOKS)
        try:
            self._commands.run(["nft", "--check", "-f", "-"], said=trial)
        except NetworkCommandFailed:
            return False
        return True

    def _look(self) -> dict[str, links.Link]:
        shown = self._commands.run(["ip", "-details", "-json", "link", "show"])
        return links.read(shown, self._commands.run(["bridge", "-json", "fdb", "show"]))
