"""Routers as network namespaces: each is held by a process that does nothing, and gone with it.

They outlive this daemon, and are known again by pid file and command line. A host whose daemon is dead for as long as
the conductor waits before it gives a router to another host lets go of it by itself: the process that holds the
namespace wakes when nobody holds the daemon's lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_interface
from pathlib import Path
from typing import IO, Any

from novalite.networks.on_host import announce, links
from novalite.networks.on_host.commands import Commands, NetworkCommandFailed, find
from novalite.networks.on_host.links import Link
from novalite.networks.on_host.routers import Leg, Router

STOPPING = 5.0
"""Seconds in which a process told to end must be gone; then it is killed."""
BUDGET = 3.0
"""Seconds in one go."""
AT_ONCE = 10
"""Routers that are looked into once in a while, in one go."""
LOOK = 3
"""Seconds between looks whether a daemon that died is back."""

HOLD = """
folder=$1 lock=$2 look=$3
while :; do
	flock --shared "$lock" true || sleep "$look"
	dead=0
	while flock --nonblock --shared "$lock" true; do
		read -r limit < "$folder/limit" || limit=0
		[ "$limit" -gt 0 ] && [ "$dead" -ge "$limit" ] && break 2
		sleep "$look"
		dead=$((dead + look))
	done
done
pid=$(cat "$folder/advertising" 2>/dev/null) && grep -q "$folder" "/proc/$pid/cmdline" && kill "$pid"
ip -o link show type veth | while IFS=': @' read -r _ name _; do ip link del dev "$name"; done
"""
"""Holds the namespace, asleep as long as the daemon holds its lock. When it lets go, the cables go at once, whoever
else is still in the namespace."""

START = """
set -e
hold=$1 folder=$2 lock=$3 look=$4
at=/proc/sys/net
for one in all default; do
	echo 1 > $at/ipv4/conf/$one/rp_filter
	echo 1 > $at/ipv4/conf/$one/arp_ignore
	echo 2 > $at/ipv4/conf/$one/arp_announce
	echo 1 > $at/ipv4/conf/$one/arp_notify
	echo 0 > $at/ipv4/conf/$one/send_redirects
	echo 0 > $at/ipv4/conf/$one/accept_redirects
	echo 0 > $at/ipv4/conf/$one/accept_source_route
	[ -d $at/ipv6 ] || continue
	echo 1 > $at/ipv6/conf/$one/forwarding
	echo 0 > $at/ipv6/conf/$one/accept_ra
	echo 0 > $at/ipv6/conf/$one/accept_dad
	echo 0 > $at/ipv6/conf/$one/accept_redirects
	echo 1 > $at/ipv6/conf/$one/ndisc_notify
done
echo 1 > $at/ipv4/ip_forward
ip link set dev lo up
setsid /bin/sh -c "$hold" novalite-router "$folder" "$lock" "$look" < /dev/null > /dev/null 2>&1 &
echo $! > "$folder/pid.new"
mv "$folder/pid.new" "$folder/pid"
"""
"""Run in the new namespace, which forwards from then on; the machine's own settings are not touched."""


@dataclass(frozen=True)
class Outcome:
    """What became of routers: which `failed`, and why; which are `absent` because their turn has not come; whether
    some are left `waiting`, absent or as they were."""

    failed: Mapping[str, str]
    absent: set[str]
    waiting: bool


class Routers:
    """All routers of this host; their files are in `folder`, the daemon's lock beside it."""

    def __init__(self, folder: Path, commands: Commands) -> None:
        self.folder, self.commands = folder, commands
        self._made: dict[str, Router] = {}
        self._seen: dict[str, float] = {}
        self._lock: IO[bytes] | None = None
        self._announcing: list[subprocess.Popen[bytes]] = []
        if self._known():  # of a daemon before this one
            self._hold()

    def converge(self, wanted: tuple[Router, ...], devices: Mapping[str, Link], thorough: bool) -> Outcome:
        """Have exactly these routers; `devices` are the host's, with their bridges.

        `thorough`: look also into some that were made before; the others' turn comes with the next. What takes longer
        than BUDGET is left for the next time, because guests wait for the one who asks.
        """
        self._announcing = [one for one in self._announcing if one.poll() is None]
        self._end(self._known() - {one.id for one in wanted})
        if wanted:
            self._hold()
        due = [one for one in wanted if self._made.get(one.id) != one or not self._stands(one, devices)]
        if thorough:
            rest = [one for one in wanted if one not in due]
            due += sorted(rest, key=lambda one: self._seen.get(one.id, 0.0))[:AT_ONCE]
        failed: dict[str, str] = {}
        waiting: list[Router] = []
        deadline = time.monotonic() + BUDGET
        for one in due:
            if time.monotonic() > deadline:
                waiting.append(one)
                continue
            try:
                self._one(one, devices)
                self._made[one.id], self._seen[one.id] = one, time.monotonic()
            except (NetworkCommandFailed, OSError) as error:
                self._made.pop(one.id, None)
                failed[one.id] = error.sentence if isinstance(error, NetworkCommandFailed) else str(error)
        absent = {one.id for one in waiting if not self._stands(one, devices)}
        return Outcome(failed, absent, any(self._made.get(one.id) != one for one in waiting) or bool(absent))

    def _hold(self) -> None:
        """The daemon is alive as long as it holds the lock: the kernel lets go of it when it is not."""
        if self._lock is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = self._lock_file.open("ab")
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:  # somebody looks just now, or a daemon before this one is about to end
                threading.Thread(target=fcntl.flock, args=(self._lock, fcntl.LOCK_EX), daemon=True).start()

    @property
    def _lock_file(self) -> Path:
        return self.folder.with_name(self.folder.name + ".lock")

    def _stands(self, router: Router, devices: Mapping[str, Link]) -> bool:
        joined = all(leg.device in devices and devices[leg.device].master == leg.bridge for leg in router.legs)
        return joined and self._pid(router.id) is not None

    # --- one router ---------------------------------------------------------------------------

    def _one(self, router: Router, devices: Mapping[str, Link]) -> None:
        folder, pid = self.folder / router.id, self._pid(router.id)
        fresh = pid is None
        if pid is None:
            pid = self._begin(router)
        (folder / "limit").write_text(f"{router.let_go_after}\n")
        inside = Commands(f"/proc/{pid}/ns/net")
        inside.run(["nft", "-f", "-"], said=router.rules)
        had = {} if fresh else _addresses(inside.run(["ip", "-json", "address", "show"]))
        cut = [leg for leg in router.legs if leg.inside not in had or leg.device not in devices]
        self._plug(cut, inside, [leg for leg in cut if leg.inside in had], devices)
        had |= {leg.inside: set() for leg in cut}
        apart = [leg for leg in router.legs if leg in cut or devices[leg.device].master != leg.bridge]
        self.commands.batch("ip", [line for leg in apart for line in _join(leg)])
        inside.batch("ip", _steps(router, had))
        inside.batch("ip", _route_steps(router, {} if fresh else _routes(inside)))
        self._advertise(router, inside)
        new = [(leg, one) for leg in router.legs for one in leg.addresses if one not in had[leg.inside]]
        self._announce(inside, new)

    def _begin(self, router: Router) -> int:
        self._end({router.id})
        folder = self.folder / router.id
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)  # dnsmasq gives up root before it reads
        (folder / "limit").write_text("0\n")
        told = (HOLD, folder, self._lock_file, LOOK)
        self.commands.run(["unshare", "--net", "--", "/bin/sh", "-c", START, "router", *map(str, told)])
        deadline = time.monotonic() + STOPPING
        while time.monotonic() < deadline:  # while a program becomes another, it has no command line
            pid = self._pid(router.id)
            with contextlib.suppress(ProcessLookupError):
                if pid is not None and os.getpgid(pid) == pid:
                    return pid
            time.sleep(0.01)
        raise NetworkCommandFailed(reason=f"the namespace of router {router.id} does not stay")

    def _plug(self, legs: list[Leg], inside: Commands, half: list[Leg], devices: Mapping[str, Link]) -> None:
        """New cables; what is left of old ones, which are `half` there, goes first."""
        left = [f"link del dev {leg.device}" for leg in legs if leg.device in devices]
        with contextlib.suppress(NetworkCommandFailed):
            self.commands.batch("ip", left)
        with contextlib.suppress(NetworkCommandFailed):
            inside.batch("ip", [f"link del dev {leg.inside}" for leg in half])
        outside = self.commands.namespace or str(os.getpid())
        inside.batch("ip", [
            f"link add name {leg.inside} address {leg.mac} mtu {leg.mtu} type veth peer name {leg.device} "
            f"mtu {leg.mtu} netns {outside}" for leg in legs
        ])  # fmt: skip

    def _advertise(self, router: Router, inside: Commands) -> None:
        """dnsmasq in the router's namespace, as long as there is something to advertise."""
        folder = self.folder / router.id
        config, text = folder / "advertised", router.advertised.format(folder=folder)
        running = _running(folder / "advertising", f"--conf-file={config}")
        if running is not None and config.read_text() == text:
            return
        if running is not None:
            for tell in (True, False):
                _stop(folder / "advertising", f"--conf-file={config}", tell, time.monotonic() + STOPPING)
        config.write_text(text)
        if text:
            config.chmod(0o644)
            inside.run([find("dnsmasq") or "dnsmasq", f"--conf-file={config}", "--user=root"])

    def _announce(self, inside: Commands, new: list[tuple[Leg, str]]) -> None:
        """In the background: nobody waits for what switches make of it."""
        words = [word for leg, one in new if ip_interface(one).version == 4
                 for word in (leg.inside, leg.mac, str(ip_interface(one).ip))]  # fmt: skip
        if words:
            program = [find("nsenter") or "nsenter", f"--net={inside.namespace}", "--", sys.executable, "-IS"]
            nothing = subprocess.DEVNULL
            self._announcing.append(
                subprocess.Popen([*program, announce.__file__, *words], stdin=nothing, stdout=nothing, stderr=nothing)
            )

    # --- processes ----------------------------------------------------------------------------

    def _known(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()} if self.folder.is_dir() else set()

    def _pid(self, router_id: str) -> int | None:
        """The process that holds that router; None when there is none."""
        return _running(self.folder / router_id / "pid", str(self.folder / router_id))

    def _end(self, router_ids: set[str]) -> None:
        """All told at once, then waited for."""
        deadline = time.monotonic() + STOPPING
        for tell in (True, False):
            for router_id in router_ids:
                folder = self.folder / router_id
                _stop(folder / "advertising", f"--conf-file={folder / 'advertised'}", tell, deadline)
                _stop(folder / "pid", str(folder), tell, deadline, os.killpg)
        for router_id in router_ids:
            self._made.pop(router_id, None)
            self._seen.pop(router_id, None)
            shutil.rmtree(self.folder / router_id, ignore_errors=True)


def _running(pid_file: Path, word: str) -> int | None:
    """The process of a pid file, if it has that word in its command line."""
    try:
        pid = int(pid_file.read_text())
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    return pid if word.encode() in words else None


def _stop(
    pid_file: Path, word: str, tell: bool, deadline: float, kill: Callable[[int, int], None] = os.kill
) -> None:  # fmt: skip
    """End it, with all it began if `kill` is killpg: first it is told, then it is waited for until `deadline`."""
    while (pid := _running(pid_file, word)) is not None:
        late = time.monotonic() > deadline
        if tell or late:
            with contextlib.suppress(ProcessLookupError):
                kill(pid, signal.SIGKILL if late else signal.SIGTERM)
            return
        time.sleep(0.02)


# --- steps, pure ----------------------------------------------------------------------------------


def _join(leg: Leg) -> list[str]:
    return links.up(leg.device, f"master {leg.bridge} ")


def _addresses(shown: str) -> dict[str, set[str]]:
    """Addresses by device, link-local ones aside."""
    return {
        one["ifname"]: {f"{a['local']}/{a['prefixlen']}" for a in one["addr_info"] if a["scope"] != "link"}
        for one in json.loads(shown or "[]")
    }


def _steps(router: Router, had: Mapping[str, set[str]]) -> list[str]:
    """Legs that nobody wants go; addresses come before a leg is up, so that they are announced when it is."""
    wanted = {leg.inside: leg for leg in router.legs}
    lines = [f"link del dev {name}" for name in had if name != "lo" and name not in wanted]
    for name, leg in wanted.items():
        lines += [f"address del {one} dev {name}" for one in sorted(had[name] - set(leg.addresses))]
        lines += [f"address add {one} dev {name}{_at_once(one)}" for one in leg.addresses if one not in had[name]]
        lines.append(f"link set dev {name} mtu {leg.mtu} up")
    return lines


def _at_once(address: str) -> str:
    """IPv6 addresses are the router's without asking around for a second."""
    return " nodad" if ":" in address else ""


def _routes(inside: Commands) -> dict[str, str | None]:
    """Next hops by destination, of routes that are not the kernel's own."""
    found: dict[str, str | None] = {}
    for family, version in (("-4", 4), ("-6", 6)):
        shown: list[dict[str, Any]] = json.loads(inside.run(["ip", family, "-json", "route", "show"]) or "[]")
        found |= {_to(one, version): one.get("gateway") for one in shown if one.get("protocol") not in ("kernel", "ra")}
    return found


def _route_steps(router: Router, there: Mapping[str, str | None]) -> list[str]:
    """Read when legs are up, because with a leg its routes are gone."""
    wanted = dict(router.routes)
    lines = [f"route del {to}" for to in there if to not in wanted]
    return lines + [f"route replace {to} via {hop}" for to, hop in wanted.items() if there.get(to) != hop]


def _to(route: Mapping[str, Any], version: int) -> str:
    to = str(route["dst"])
    if to == "default":
        return "0.0.0.0/0" if version == 4 else "::/0"
    return to if "/" in to else f"{to}/{32 if version == 4 else 128}"
