"""Ports of a server through its life: made or taken when it has a host, moved with it, given back when it goes.

What is done here is done in the transaction of the step that it belongs to, so that a server and its ports never
tell different stories. A cloud without networks pays nothing for it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from novalite.conductor.env import Env
from novalite.conductor.server_networks import offered
from novalite.conductor.task import Task
from novalite.db import interfaces
from novalite.db.networks import hosts, ports, quotas
from novalite.objects.base import Record
from novalite.objects.host_networks import Vif


def plug(env: Env, task: Task, session: Session) -> list[str] | None:
    """Every port that the plan of a new server (argument `networks`) wants is the server's, on its host."""
    plan = task.args.get("networks")
    if not plan or not plan["ports"]:
        return None
    server = task.load_server(session)
    there = {port["index"] for port in interfaces.of_server(session, task.server_id)}
    missing = [(index, wanted) for index, wanted in enumerate(plan["ports"]) if index not in there]
    afford(env, session, server["project_id"], [wanted for _, wanted in missing])
    for index, wanted in missing:
        plug_one(session, server, task.done["claim"], index, wanted, plan["groups"])
    found = interfaces.of_server(session, task.server_id)
    tell(env, session, found)
    return [port["port_id"] for port in found]


def afford(env: Env, session: Session, project_id: str, wanted: list[Record]) -> None:
    """NetworkOverQuota unless the project may have as many ports more as these make."""
    if more := sum(1 for one in wanted if one["port_id"] is None):
        quotas.check(session, project_id, {"port": more}, {"port": env.conf.networks.quota_port})


def plug_one(
    session: Session, server: Record, host: str, index: int, wanted: Record, group_ids: list[str] | None
) -> str:
    """Take the port that is named, or make one on the network that is; answers its id. Raises PortInUse,
    PortNotFound, and what making a port and giving it an address can raise."""
    facts: dict[str, Any] = {
        "device_index": index + 1, "tag": wanted["tag"], "host": host, **interfaces.PLUGGED_IN,
        "made_for_device": wanted["port_id"] is None,
    }  # fmt: skip
    owner = f"{interfaces.OWNER}{server['availability_zone'] or 'nova'}"
    if wanted["port_id"] is not None:
        return str(ports.take(session, wanted["port_id"], server["id"], owner, **facts)["id"])
    address = wanted["fixed_ip"]
    values = {
        "network_id": wanted["network_id"],
        "project_id": server["project_id"],
        "device_id": server["id"],
        "device_owner": owner,
        "fixed_ips": [{"ip_address": address}] if address else None,
        "security_groups": group_ids,
        **facts,
    }
    return str(ports.create(session, values)["id"])


def unplug(env: Env, task: Task, session: Session) -> None:
    """Undo of `plug`."""
    give_back(env, session, task.server_id)


def give_back(env: Env, session: Session, server_id: str) -> None:
    """The server has no ports any more: those made for it are gone, the others are as before it took them."""
    if offered(env.conf):
        let_go(env, session, interfaces.of_server(session, server_id))


def let_go(env: Env, session: Session, found: list[Record]) -> None:
    """These interfaces are no more: ports that were made for them are gone, the others are nobody's."""
    tell(env, session, found, hosts.of_networks(session, {port["net_id"] for port in found}))
    if made := [port["port_id"] for port in found if port["made"]]:
        ports.remove(session, made)
    if given := [port["port_id"] for port in found if not port["made"]]:
        ports.release(session, given)


def move(env: Env, session: Session, server_id: str, host: str | None) -> None:
    """The server's ports are on that host from now on; None: on none."""
    if offered(env.conf) and (found := interfaces.of_server(session, server_id)):
        interfaces.bind(session, server_id, host)
        tell(env, session, found, {host} if host is not None else set())


def access_addresses(env: Env, task: Task, session: Session) -> Record:
    """Columns of a new server that say where to reach it: its first addresses of the network that the configuration
    names, unless the request said others."""
    label = env.conf.networks.default_access_ip_network_name
    if not label or not offered(env.conf):
        return {}
    server = task.load_server(session)
    if server["access_ip_v4"] or server["access_ip_v6"]:
        return {}
    found: Record = {}
    for address in interfaces.addresses(session, [task.server_id]).get(task.server_id, {}).get(label, []):
        found.setdefault(f"access_ip_v{address['version']}", address["addr"])
    return found


def tell(env: Env, session: Session, found: list[Record], more: set[str] | None = None) -> None:
    """Once this is committed, hosts are told of it: those that have or had these interfaces, all that have others on
    the same networks, and `more`."""
    if found:
        names = {port["host"] for port in found} | (more or set())
        env.news.after_commit(session, names, {port["net_id"] for port in found})


def follow(env: Env, session: Session, server_id: str) -> None:
    """Whether its ports are up is as its guest is, by what its record says."""
    if offered(env.conf):
        interfaces.follow(session, server_id)


def vifs(env: Env, server_id: str) -> tuple[Vif, ...]:
    """The server's interfaces as its host is told them, read in a transaction of its own."""
    if not offered(env.conf):
        return ()
    with env.db.read() as session:
        return interfaces.vifs(session, server_id)
