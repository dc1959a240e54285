"""Ports and their addresses, and what several callers may race for, on every database."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from novalite.db.models.networks import IpAllocation, Network, Subnet
from novalite.db.networks import groups, ports
from novalite.db.session import Database
from novalite.errors import NovaliteError
from novalite.objects.base import Record

NET = "11111111-1111-1111-1111-111111111111"
WANTED: Record = {"network_id": NET, "project_id": "p-1"}


def a_network(db: Database, *cidrs: str, pool: tuple[str, str] | None = None, **values: Any) -> list[str]:
    """One network with these subnets, whose pools are all but the first two addresses; answers their ids."""
    ids = [f"subnet-{number}" for number in range(len(cidrs))]
    with db.begin() as session:
        session.execute(insert(Network).values(id=NET, project_id="p-1", network_type="vxlan", segmentation_id=7))
        for subnet_id, cidr in zip(ids, cidrs, strict=True):
            version, start = (6, f"{cidr.partition('/')[0]}2") if ":" in cidr else (4, cidr[:-4] + "2")
            low, high = pool or (start, start[:-1] + ("ffff" if version == 6 else "254"))
            row = {"network_id": NET, "project_id": "p-1", "ip_version": version, "cidr": cidr, **values}
            pools = [{"start": low, "end": high}]
            session.execute(insert(Subnet).values(id=subnet_id, allocation_pools=pools, **row))
    return ids


def a_port(db: Database, **values: Any) -> Record:
    """A port of that network."""
    return db.run(lambda session: ports.create(session, WANTED | values))


def addresses(port: Record) -> list[str]:
    """Of a port."""
    return [one["ip_address"] for one in port["fixed_ips"]]


def refusal(work: Callable[[], Any]) -> str:
    """The name of the error that `work` ends in, or "done"."""
    try:
        work()
    except NovaliteError as error:
        return type(error).__name__
    return "done"


def test_a_port_has_an_address_of_each_version(db: Database) -> None:
    a_network(db, "10.0.0.0/24", "fd00::/64", "10.0.1.0/24")
    assert addresses(a_port(db)) == ["10.0.0.2", "fd00::2"]
    assert addresses(a_port(db, fixed_ips=[{"subnet_id": "subnet-2"}])) == ["10.0.1.2"]
    assert addresses(a_port(db, fixed_ips=[{"ip_address": "FD00::00AB"}])) == ["fd00::ab"]
    assert addresses(a_port(db, fixed_ips=[])) == []


def test_guests_that_make_their_own_address_get_that_one(db: Database) -> None:
    a_network(db, "fd00::/64", ipv6_address_mode="slaac", ipv6_ra_mode="slaac")
    made = a_port(db, mac_address="fa:16:3e:00:00:01")
    assert addresses(made) == ["fd00::f816:3eff:fe00:1"]


def test_addresses_that_are_not_to_be_had(db: Database) -> None:
    a_network(db, "10.0.0.0/24")
    a_port(db, fixed_ips=[{"ip_address": "10.0.0.9"}])
    asked = {
        "IpAddressInUse": [{"ip_address": "10.0.0.9"}],
        "InvalidIpForNetwork": [{"ip_address": "10.9.9.9"}],
        "InvalidIpForSubnet": [{"ip_address": "10.9.9.9", "subnet_id": "subnet-0"}],
        "SubnetNotFound": [{"subnet_id": "nowhere"}],
    }
    for name, fixed_ips in asked.items():
        assert refusal(lambda ips=fixed_ips: a_port(db, fixed_ips=ips)) == name  # type: ignore[misc]
    with db.read() as session:
        assert session.scalar(select(func.count()).select_from(IpAllocation)) == 1


def test_a_full_pool_says_so_and_what_comes_back_is_given_again(db: Database) -> None:
    a_network(db, "10.0.0.0/24", pool=("10.0.0.10", "10.0.0.12"))
    made = [a_port(db) for _ in range(3)]
    assert [addresses(port) for port in made] == [["10.0.0.10"], ["10.0.0.11"], ["10.0.0.12"]]
    assert refusal(lambda: a_port(db)) == "IpAddressGenerationFailure"
    db.run(lambda session: ports.remove(session, [made[1]["id"]]))
    assert addresses(a_port(db)) == ["10.0.0.11"]


def test_of_many_callers_each_gets_another_address_and_the_pool_ends_exactly(db: Database) -> None:
    a_network(db, "10.0.0.0/24", pool=("10.0.0.10", "10.0.0.29"))

    def one(_: int) -> str:
        return refusal(lambda: a_port(db))

    with ThreadPoolExecutor(8) as pool:
        told = sorted(pool.map(one, range(28)))
    assert told == ["IpAddressGenerationFailure"] * 8 + ["done"] * 20
    with db.read() as session:
        held = session.scalars(select(IpAllocation.ip_address)).all()
    assert sorted(held) == [f"10.0.0.{number}" for number in range(10, 30)]


def test_of_many_that_want_one_address_or_mac_one_gets_it(db: Database) -> None:
    a_network(db, "10.0.0.0/24")
    wishes = {
        "IpAddressInUse": {"fixed_ips": [{"ip_address": "10.0.0.77"}]},
        "MacAddressInUse": {"mac_address": "fa:16:3e:00:00:07"},
    }
    for name, wish in wishes.items():
        with ThreadPoolExecutor(6) as pool:
            told = sorted(pool.map(lambda _, w=wish: refusal(lambda: a_port(db, **w)), range(6)))  # type: ignore[misc]
        assert told == sorted([name] * 5 + ["done"])


def test_of_many_devices_one_takes_the_port(db: Database) -> None:
    a_network(db, "10.0.0.0/24")
    port = a_port(db)["id"]

    def take(number: int) -> str:
        return refusal(lambda: db.run(lambda s: ports.take(s, port, f"server-{number}", "compute:nova")))

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(take, range(6))) == ["PortInUse"] * 5 + ["done"]
    with db.read() as session:
        owner = ports.get(session, port)["device_id"]
    assert take(int(owner.rpartition("-")[2])) == "done", "asking again changes nothing"


def test_of_many_first_ports_of_a_project_all_share_one_default_group(db: Database) -> None:
    a_network(db, "10.0.0.0/24")
    with ThreadPoolExecutor(6) as pool:
        made = list(pool.map(lambda _: a_port(db), range(6)))
    assert len({port["security_groups"][0] for port in made}) == 1
    with db.read() as session:
        group = groups.get(session, made[0]["security_groups"][0])
        assert len(group["security_group_rules"]) == 4
        held = groups.members(session, [group["id"]])[group["id"]]
    assert held == sorted(address for port in made for address in addresses(port))


def test_addresses_that_are_named_stay(db: Database) -> None:
    a_network(db, "10.0.0.0/24")
    port = a_port(db)

    def readdress(*wanted: Record) -> list[str]:
        return addresses(db.run(lambda s: ports.change(s, port["id"], {"fixed_ips": list(wanted)})))

    assert readdress({"ip_address": "10.0.0.2"}, {"ip_address": "10.0.0.50"}) == ["10.0.0.2", "10.0.0.50"]
    assert readdress({"subnet_id": "subnet-0", "ip_address": "10.0.0.50"}) == ["10.0.0.50"]
    assert readdress() == []


def test_a_port_is_bound_unbound_and_gone(db: Database) -> None:
    a_network(db, "10.0.0.0/24")
    port = a_port(db, device_id="s-1", device_owner="compute:nova", tag="nic", allowed_address_pairs=[])["id"]

    def work(session: Session) -> list[str]:
        ports.bind(session, port, "alpha")
        return [one["id"] for one in ports.on_host(session, "alpha")]

    assert db.run(work) == [port]
    assert db.run(lambda s: ports.set_status(s, [port], "ACTIVE", "beta")) == []
    assert db.run(lambda s: ports.set_status(s, [port], "ACTIVE", "alpha")) == [port]
    db.run(lambda s: ports.release(s, [port]))
    with db.read() as session:
        found = ports.get(session, port)
    assert (found["host"], found["status"], found["device_id"], found["tag"]) == ("", "DOWN", "", None)
    assert found["revision"] == 2
    assert [one["id"] for one in db.run(lambda s: ports.remove(s, [port, "nobody"]))] == [port]
    assert refusal(lambda: db.run(lambda s: ports.get(s, port))) == "PortNotFound"
