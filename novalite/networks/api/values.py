"""Kinds of values in bodies of the Network API, as pydantic types."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from novalite.api.schemas import Body, to_bool, to_int, wrong


def _clean(value: str) -> str:
    if "\0" in value:
        raise wrong("It must not hold null characters.")
    return value


def _flag(value: Any) -> bool:
    return bool(value) if value in (0, 1) and not isinstance(value, bool) else to_bool(value)


def _ip(value: str) -> str:
    try:
        found = ip_address(value)
    except ValueError:
        raise wrong("It must be an IP address.") from None
    if getattr(found, "scope_id", None):
        raise wrong("It must be an IP address without a zone.")
    return str(found)


def _cidr(value: str) -> str:
    try:
        return str(ip_network(value))
    except ValueError as error:
        raise wrong(f"It must be a range of addresses in CIDR notation: {error}.") from None


def _prefix(value: str) -> str:
    """Bits of the host may be set; an address alone is a range of one."""
    try:
        ip_network(value, strict=False)
    except ValueError:
        raise wrong("It must be an IP address or a range in CIDR notation.") from None
    return value


def _mac(value: str) -> str:
    if not re.fullmatch(r"([0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}", value):
        raise wrong("It must be a MAC address.")
    found = value.lower().replace("-", ":")
    if int(found[:2], 16) & 1 or found == "00:00:00:00:00:00":
        raise wrong("It must be a MAC address of one station.")
    return found


def _protocol(value: Any) -> str | None:
    """A name of the list, or a number."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise wrong("It must be the name or number of an IP protocol.")
    text = str(value).lower()
    if text in PROTOCOLS or (text.isdecimal() and len(text) <= 3 and int(text) <= 255):
        return text
    raise wrong(f"It must be a number up to 255 or one of {', '.join(PROTOCOLS)}.")


def _family(value: Any) -> Any:
    return {"ipv4": "IPv4", "ipv6": "IPv6"}.get(value.lower(), value) if isinstance(value, str) else value


def _port_or_code(value: Any) -> int:
    number = to_int(value)
    if not -1 <= number <= 65535:
        raise wrong(f"Invalid value for port {number}: it must be 0 to 65535.")
    return number


PROTOCOLS = (
    "any", "ah", "dccp", "egp", "esp", "gre", "icmp", "icmpv6", "igmp", "ipip", "ipv6-encap", "ipv6-frag",
    "ipv6-icmp", "ipv6-nonxt", "ipv6-opts", "ipv6-route", "ospf", "pgm", "rsvp", "sctp", "tcp", "udp", "udplite",
    "vrrp",
)  # fmt: skip
"""Names of IP protocols that rules may use (Network API reference, security group rules)."""

Text = Annotated[str, Field(max_length=255), AfterValidator(_clean)]
Id = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_clean)]
Uuid = Annotated[str, Field(pattern=r"^[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}$")]
Flag = Annotated[bool, BeforeValidator(_flag)]
Number = Annotated[int, BeforeValidator(to_int), Field(ge=-1, le=0x7FFFFFFF)]
PositiveNumber = Annotated[Number, Field(ge=0)]
Ip = Annotated[str, AfterValidator(_ip)]
Cidr = Annotated[str, AfterValidator(_cidr)]
Prefix = Annotated[str, AfterValidator(_prefix)]
Mac = Annotated[str, AfterValidator(_mac)]
Protocol = Annotated[str, BeforeValidator(_protocol)]
Family = Annotated[Literal["IPv4", "IPv6"], BeforeValidator(_family)]
PortOrCode = Annotated[int, BeforeValidator(_port_or_code)]
V6Mode = Literal["slaac", "dhcpv6-stateful", "dhcpv6-stateless"]
IpVersion = Annotated[int, BeforeValidator(to_int), Field(ge=4, le=6)]
Tag = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_clean)]
_Many = Field(max_length=256)


class FixedIp(Body):
    subnet_id: Uuid | None = None
    ip_address: Ip | None = None


class Pool(Body):
    start: Ip
    end: Ip


class Route(Body):
    destination: Cidr
    nexthop: Ip


class AddressPair(Body):
    ip_address: Prefix
    mac_address: Mac | None = None


class DhcpOption(Body):
    opt_name: Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_clean)]
    opt_value: Annotated[str, Field(max_length=255), AfterValidator(_clean)] | None = None
    ip_version: IpVersion = 4


class Gateway(Body):
    network_id: Uuid
    enable_snat: Flag | None = None
    external_fixed_ips: Annotated[list[FixedIp], _Many] | None = None


class NoGateway(Body):
    """{} takes the gateway away."""


FixedIps = Annotated[list[FixedIp], _Many]
Pools = Annotated[list[Pool], _Many]
Routes = Annotated[list[Route], _Many]
AddressPairs = Annotated[list[AddressPair], _Many]
DhcpOptions = Annotated[list[DhcpOption], _Many]
Ips = Annotated[list[Ip], _Many]
Uuids = Annotated[list[Uuid], _Many]
Cidrs = Annotated[list[Cidr], Field(min_length=1, max_length=256)]
Texts = Annotated[list[Text], _Many]
Tags = Annotated[list[Tag], Field(max_length=1000)]
