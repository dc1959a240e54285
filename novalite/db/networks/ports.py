"""Plugs of networks: make, change, take for a device, bind to a host, delete.

Records have the columns of models.networks.NetworkPort and fixed_ips [{subnet_id, ip_address}], security_groups
(ids) and tags. What is asked is valid and allowed: the endpoint that calls has seen to it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import uuid4

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from novalite.db.models.base import now
from novalite.db.models.network_services import FloatingIp, PortGroup
from novalite.db.models.networks import Network, NetworkPort, NetworkTag
from novalite.db.networks import addresses, groups, rows
from novalite.objects.base import Record
from novalite.objects.network_errors import MacAddressInUse, NetworkNotFound, PortInUse, PortNotFound

_TRIES = 16
UNBOUND = {"host": "", "vif_type": "unbound", "vif_details": {}, "status": "DOWN"}
NOBODYS = {"device_id": "", "device_owner": "", "device_index": 0, "made_for_device": False, "tag": None}


# --- reading --------------------------------------------------------------------------------------


def get(session: Session, port_id: str, lock: str | None = None) -> Record:
    """One port; PortNotFound. `lock` "write" keeps it as it is for everybody else until the transaction ends."""
    found = rows.first(session, NetworkPort, NetworkPort.id == port_id, lock=lock)
    if found is None:
        raise PortNotFound(port_id=port_id)
    return complete(session, [found])[0]


def fetch(session: Session, *where: Any, order: Sequence[Any] = ()) -> list[Record]:
    """Ports where all conditions hold."""
    return complete(session, rows.fetch(session, NetworkPort, *where, order=order))


def complete(session: Session, ports: list[Record]) -> list[Record]:
    """Rows with fixed_ips, security_groups and tags: three statements, however many there are."""
    ids = [port["id"] for port in ports]
    held, of, tags = (
        addresses.held_by(session, ids),
        groups.of_ports(session, ids),
        rows.tags_of(session, ids),
    )
    for port in ports:
        one = port["id"]
        port["fixed_ips"], port["security_groups"], port["tags"] = held[one], of[one], tags[one]
    return ports


def of_ids(session: Session, port_ids: Iterable[str]) -> list[Record]:
    """Those of the ports that are there."""
    return fetch(session, NetworkPort.id.in_(list(port_ids)))


def of_devices(session: Session, device_ids: Iterable[str]) -> dict[str, list[Record]]:
    """Ports by device, in the order of the device's interfaces."""
    row = NetworkPort
    found: dict[str, list[Record]] = {one: [] for one in device_ids}
    if found:
        order = (row.device_index, row.created_at, row.id)
        for port in fetch(session, row.device_id.in_(list(found)), order=order):
            found[port["device_id"]].append(port)
    return found


def of_device(session: Session, device_id: str) -> list[Record]:
    """Ports of one device, in the order of its interfaces."""
    return of_devices(session, [device_id])[device_id]


def on_host(session: Session, host: str) -> list[Record]:
    """Everything that is plugged in on a host."""
    return fetch(session, NetworkPort.host == host, order=(NetworkPort.created_at, NetworkPort.id))


def on_networks(session: Session, network_ids: Iterable[str]) -> list[Record]:
    """Every port of some networks, wherever it is: what a host of them must know of its peers."""
    return fetch(session, NetworkPort.network_id.in_(list(network_ids)))


# --- making ---------------------------------------------------------------------------------------


def create(session: Session, values: Mapping[str, Any]) -> Record:
    """A port of network_id for project_id.

    Other values are columns; besides, fixed_ips (None: one of each version, see addresses.give), security_groups
    (None: the project's default group, where port security is on and addresses are had), mac_address (None: one is
    made), port_security_enabled (None: as the network has it). Raises NetworkNotFound, MacAddressInUse,
    SecurityGroupNotFound and what addresses.give raises.
    """
    network = rows.first(session, Network, Network.id == values["network_id"], lock="read")
    if network is None:
        raise NetworkNotFound(network_id=values["network_id"])
    fixed_ips, wanted_groups = values.get("fixed_ips"), values.get("security_groups")
    row = {"id": str(uuid4()), **_columns(values)}
    if row.get("port_security_enabled") is None:
        row["port_security_enabled"] = network["port_security_enabled"]
    if row.get("host"):
        row.setdefault("vif_type", vif_type_of(row.get("device_owner", "")))
    row["mac_address"] = _insert(session, row)
    row.setdefault("device_owner", "")
    given = addresses.give(session, row, fixed_ips)
    if wanted_groups is None:
        open_to_all = not row["port_security_enabled"] or row["device_owner"].startswith("network:")
        wanted_groups = [] if open_to_all or not given else [groups.default_of(session, row["project_id"])]
    groups.set_of_port(session, row["id"], wanted_groups)
    return get(session, row["id"])


def vif_type_of(device_owner: str) -> str:
    """How a bound port is plugged in: the service's own are not plugged by a hypervisor."""
    return "distributed" if device_owner.startswith("network:") else "bridge"


def _columns(values: Mapping[str, Any]) -> Record:
    return {name: value for name, value in values.items() if name in rows.names(NetworkPort)}


def _insert(session: Session, row: Record) -> str:
    """Write the row; answers its MAC address, made here when none was chosen."""
    chosen = row.get("mac_address")
    for _ in range(_TRIES):
        mac = chosen or _some_mac()
        try:
            with session.begin_nested():
                session.execute(insert(NetworkPort).values(**{**row, "mac_address": mac}))
            return str(mac)
        except IntegrityError:
            if chosen:
                break
    raise MacAddressInUse(network_id=row["network_id"], mac=chosen or "(any)")


def _some_mac() -> str:
    """Of the range that networks of virtual machines use by custom."""
    return "fa:16:3e:" + ":".join(f"{octet:02x}" for octet in secrets.token_bytes(3))


# --- changing -------------------------------------------------------------------------------------


def change(session: Session, port_id: str, values: Mapping[str, Any]) -> Record:
    """Write columns, fixed_ips (what it has and shall keep must be named) and security_groups of a port."""
    port = get(session, port_id, lock="write")
    row = _columns(values)
    try:
        with session.begin_nested():
            rows.touch(session, NetworkPort, NetworkPort.id == port_id, **row)
    except IntegrityError:
        raise MacAddressInUse(network_id=port["network_id"], mac=row.get("mac_address")) from None
    if values.get("fixed_ips") is not None:
        _readdress(session, port | row, values["fixed_ips"])
    if values.get("security_groups") is not None:
        groups.set_of_port(session, port_id, values["security_groups"])
    return get(session, port_id)


def _readdress(session: Session, port: Record, wanted: list[Record]) -> None:
    """Addresses that are named stay, others go, new ones come."""
    subnets = addresses.lock_subnets(session, port["network_id"])
    left, new = list(port["fixed_ips"]), []
    for one in wanted:
        same = next((had for had in left if _matches(had, one)), None)
        if same is None:
            new.append(one)
        else:
            left.remove(same)
    gone = [had["ip_address"] for had in left]
    if gone:
        addresses.take_back(session, [port["id"]], gone)
        _unfloat(session, [port["id"]], gone)
    if new:
        addresses.give(session, port, new, subnets)


def _matches(had: Record, wanted: Record) -> bool:
    return wanted.get("ip_address") in (None, had["ip_address"]) and wanted.get("subnet_id") in (
        None,
        had["subnet_id"],
    )


def take(session: Session, port_id: str, device_id: str, device_owner: str, **more: Any) -> Record:
    """The port is this device's. Of two devices that want it exactly one gets it, the other PortInUse; asking
    again for the same device changes `more` only."""
    row = NetworkPort
    values = {"device_id": device_id, "device_owner": device_owner, **more}
    if not rows.touch(session, row, row.id == port_id, row.device_id.in_(("", device_id)), **values):
        found = get(session, port_id)
        raise PortInUse(port_id=port_id, network_id=found["network_id"], device_id=found["device_id"])
    return get(session, port_id)


def bind(session: Session, port_id: str, host: str, vif_type: str = "bridge", **more: Any) -> Record:
    """The port is plugged in on `host` from now on."""
    if not rows.touch(session, NetworkPort, NetworkPort.id == port_id, host=host, vif_type=vif_type, **more):
        raise PortNotFound(port_id=port_id)
    return get(session, port_id)


def unbind(session: Session, port_ids: Iterable[str]) -> None:
    """The ports are plugged in nowhere; they stay their device's."""
    rows.touch(session, NetworkPort, NetworkPort.id.in_(list(port_ids)), **UNBOUND)


def release(session: Session, port_ids: Iterable[str]) -> None:
    """The ports are nobody's and plugged in nowhere, as they were before a server took them."""
    rows.touch(session, NetworkPort, NetworkPort.id.in_(list(port_ids)), **UNBOUND, **NOBODYS)


def set_status(session: Session, port_ids: Iterable[str], status: str, host: str | None = None) -> list[str]:
    """ACTIVE, DOWN, BUILD or ERROR, as a host reports; answers the ids of ports that had another one. With `host`
    only ports that are bound to it."""
    row = NetworkPort
    where = [row.id.in_(list(port_ids)), row.status != status]
    if host is not None:
        where.append(row.host == host)
    found = list(session.scalars(select(row.id).where(*where)))
    if found:
        session.execute(update(row).where(row.id.in_(found)).values(status=status, updated_at=now()))
    return found


def remove(session: Session, port_ids: Iterable[str]) -> list[Record]:
    """The ports are gone, with their addresses; floating addresses that pointed to them point nowhere. Answers
    what the ports were; those that are not there are not missed."""
    gone = of_ids(session, port_ids)
    ids = [port["id"] for port in gone]
    if not ids:
        return []
    session.execute(delete(NetworkPort).where(NetworkPort.id.in_(ids)))
    addresses.take_back(session, ids)
    session.execute(delete(PortGroup).where(PortGroup.port_id.in_(ids)))
    session.execute(delete(NetworkTag).where(NetworkTag.resource_id.in_(ids)))
    _unfloat(session, ids)
    return gone


def _unfloat(session: Session, port_ids: list[str], fixed: Iterable[str] | None = None) -> None:
    row = FloatingIp
    where = [row.port_id.in_(port_ids)]
    if fixed is not None:
        where.append(row.fixed_ip_address.in_(list(fixed)))
    nowhere = {"port_id": None, "fixed_ip_address": None, "router_id": None, "status": "DOWN"}
    rows.touch(session, row, *where, **nowhere)
