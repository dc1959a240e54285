"""The firewall of a router, whole: what it forwards, and which addresses stand for which. Pure.

Connections keep the addresses that they began with, so every packet of one is judged by what they are: when a floating
address is taken away or given to another port, what was begun with it ends with the next packet.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

TABLES = ("ip novalite", "inet novalite")
TURNED = "0x6e72"
"""On packets that came from inside and go back in by a floating address."""

REACHED = """\
	chain reached {
		type filter hook input priority 0; policy drop;
		iifname "lo" accept
		ct state established,related accept
		meta l4proto { icmp, ipv6-icmp } accept
	}
	chain sources {
		type filter hook prerouting priority -150;
		ip6 saddr { ::, fe80::/10 } accept
		meta nfproto ipv6 fib saddr . iif oif missing drop
	}
"""
"""A router answers pings and nothing else. Who claims an IPv6 address that is reached elsewhere is not heard; for IPv4
the kernel's rp_filter does it."""


def rules(
    inside: Sequence[str],
    outside: str | None,
    own: str | None,
    floating: Iterable[tuple[str, str]],
    plain: bool = False,
) -> str:
    """For `nft -f`. `own`: the address under which everything inside is seen outside, None: nothing is translated but
    `floating`, pairs of an address outside and one inside. `plain`: who is outside may address the inside itself."""
    pairs = sorted(floating)
    lines = [f"add table {table}\ndelete table {table}\n" for table in TABLES]
    lines += ["table inet novalite {\n", REACHED, _forward(inside, outside, own, pairs, plain), "}\n"]
    if outside and (own or pairs):
        lines += ["table ip novalite {\n", _translate(outside, own, pairs), "}\n"]
    return "".join(lines)


def _forward(
    inside: Sequence[str], outside: str | None, own: str | None, pairs: Sequence[tuple[str, str]], plain: bool
) -> str:  # fmt: skip
    said = [
        "type filter hook forward priority 0; policy drop;",
        *_true(own, pairs),
    ]
    within = _names(inside)
    if outside and within:
        said += [
            f'iifname {within} ct status dnat meta mark set {TURNED}',
            f'iifname {within} oifname "{outside}" accept',
            f'iifname "{outside}" oifname {within} ct state established,related accept',
            f'iifname "{outside}" oifname {within} ct status dnat accept',
            f'iifname "{outside}" oifname {within} meta nfproto ipv6 accept',
        ]
        said += [f'iifname "{outside}" oifname {within} accept'] if plain else []
    if within:
        said.append(f"iifname {within} oifname {within} accept")
    return _chain("routed", said) + _set("pairs", "ipv4_addr . ipv4_addr", [f"{a} . {b}" for a, b in pairs])


def _true(own: str | None, pairs: Sequence[tuple[str, str]]) -> list[str]:
    """Translated packets pass only while they are what would be translated so now."""
    seen = [f"ct reply ip daddr != {own}"] if own else []
    turned = " ".join(["meta nfproto ipv4 ct status snat", *seen])
    floated = "meta nfproto ipv4 ct status dnat"
    return [
        f"{floated} ct direction original ct original ip daddr . ip daddr != @pairs drop",
        f"{floated} ct direction reply ct original ip daddr . ip saddr != @pairs drop",
        f"{turned} ct direction original ct reply ip daddr . ip saddr != @pairs drop",
        f"{turned} ct direction reply ct reply ip daddr . ip daddr != @pairs drop",
    ]


def _translate(outside: str, own: str | None, pairs: Sequence[tuple[str, str]]) -> str:
    out = [f'oifname "{outside}" snat to ip saddr map @inside', f"meta mark {TURNED} snat to ip saddr map @inside"]
    if own:
        out += [f'oifname "{outside}" snat to {own}', f"meta mark {TURNED} snat to {own}"]
    return "".join((
        _map("floating", [f"{address} : {fixed}" for address, fixed in pairs]),
        _map("inside", [f"{fixed} : {address}" for address, fixed in pairs]),
        _chain("arriving", ["type nat hook prerouting priority -100;", "dnat to ip daddr map @floating"]),
        _chain("leaving", ["type nat hook postrouting priority 100;", *out]),
    ))  # fmt: skip


def _names(devices: Sequence[str]) -> str:
    quoted = ", ".join(f'"{one}"' for one in sorted(devices))
    return f"{{ {quoted} }}" if quoted else ""


def _chain(name: str, said: Iterable[str]) -> str:
    return "".join([f"\tchain {name} {{\n", *(f"\t\t{line}\n" for line in said), "\t}\n"])


def _set(name: str, kind: str, elements: Sequence[str]) -> str:
    return f"\tset {name} {{\n\t\ttype {kind}\n{_elements(elements)}\t}}\n"


def _map(name: str, elements: Sequence[str]) -> str:
    return f"\tmap {name} {{\n\t\ttype ipv4_addr : ipv4_addr\n{_elements(elements)}\t}}\n"


def _elements(elements: Sequence[str]) -> str:
    return f"\t\telements = {{ {', '.join(elements)} }}\n" if elements else ""
