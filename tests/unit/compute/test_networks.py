"""When a host's networks are asked for and made, and what builds wait for; the machine and the conductor are
scripted."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from novalite.compute.networks import GuestNetworks, NetworkNewsEndpoint
from novalite.conf.load import for_tests
from novalite.context import Context, system
from novalite.errors import BuildFailed, Conflict, NetworksNotReady
from novalite.networks.on_host.commands import NetworkCommandFailed
from novalite.networks.on_host.plan import Plan
from novalite.objects.host_networks import CarriedRouter, HostNetworks, LocalPort, Vif
from novalite.rpc.client import Client
from novalite.rpc.contracts.host_networks import NetworkNews, WantedNetworks
from novalite.rpc.contracts.interfaces import GuestInterfaces
from novalite.rpc.local import LocalBus
from novalite.states import PowerState
from tests.networks.builders import NET, a_port, wanted
from tests.unit.compute.scripted import A, B, a_spec, a_work, until


class ScriptedConductor(WantedNetworks):
    """Wants these ports."""

    def __init__(self) -> None:
        self.ports: tuple[LocalPort, ...] = ()
        self.asked: list[str] = []
        self.physical: list[tuple[str, ...] | None] = []
        self.carry: tuple[CarriedRouter, ...] = ()
        self.deaf = 0
        self.open = threading.Event()
        self.open.set()

    def of_host(
        self, ctx: Context, host: str, address: str, known: str = "", physical: tuple[str, ...] | None = None
    ) -> HostNetworks | None:
        self.open.wait(20)
        self.physical.append(physical)
        self.asked.append(known)
        version = ",".join(port.id for port in self.ports) or "none"
        return None if known == version else wanted(*self.ports, version=version)

    def carried(self, ctx: Context, host: str, routers: tuple[CarriedRouter, ...]) -> None:
        if self.deaf:
            self.deaf -= 1
            raise Conflict("not now")
        self.carry = routers


class ScriptedMachine:
    """Makes what is wanted, unless told to fail."""

    def __init__(self) -> None:
        self.settings = SimpleNamespace(address="10.77.0.1")
        self.made: list[tuple[str, bool]] = []
        self.errors: list[Exception] = []
        self.refused: dict[str, str] = {}
        self.carried: tuple[CarriedRouter, ...] = ()
        self.unserved = ""

    def apply(self, state: HostNetworks, thorough: bool) -> Plan:
        if self.errors:
            raise self.errors.pop(0)
        self.made.append((state.version, thorough))
        ports = () if self.refused else state.ports
        there = {port.id: port.network_id for port in ports}
        return Plan(ports=there, refused=self.refused, carried=self.carried)


class Keeper:
    """One host's networks with everything around them."""

    def __init__(self, **settings: Any) -> None:
        self.conductor, self.machine, self.bus = ScriptedConductor(), ScriptedMachine(), LocalBus()
        self.obstacle: str | None = None
        conf = for_tests({"host": "alpha", "host_networks.ready_timeout": 5.0, "host_networks.sync_interval": 60.0,
                          **settings})  # fmt: skip
        self.client = Client(self.bus)
        self.networks = GuestNetworks(
            conf, self.client, "alpha", True, machine=self.machine, obstacle=lambda: self.obstacle
        )
        self.servers = [
            self.bus.serve("conductor", "controller", [self.conductor]),
            self.bus.serve("compute", "alpha", [NetworkNewsEndpoint(self.networks)]),
        ]
        for server in self.servers:
            server.start()

    def tell(self) -> None:
        """What the conductor does after a change."""
        self.client.of(NetworkNews, host="alpha").changed(system())

    def close(self) -> None:
        self.conductor.open.set()
        self.networks.stop()
        for server in self.servers:
            server.stop()


@pytest.fixture
def keeper() -> Iterator[Keeper]:
    """Not started."""
    made = Keeper()
    yield made
    made.close()


def spec(*ports: LocalPort) -> Any:
    """A guest with these ports."""
    vifs = tuple(Vif(port_id=port.id, mac=port.mac, network_id=port.network_id) for port in ports)
    return SimpleNamespace(id=A, vifs=vifs)


def test_a_guest_waits_for_its_networks_and_those_that_are_there_cost_nothing(keeper):
    keeper.networks.start()
    assert keeper.networks.settle(10)
    keeper.conductor.ports = (a_port(5),)
    keeper.networks.ready(spec(a_port(5)))
    asked = len(keeper.conductor.asked)
    assert keeper.machine.made[-1] == (a_port(5).id, False)
    keeper.networks.ready(spec(a_port(5)))
    assert len(keeper.conductor.asked) == asked


def test_a_guest_without_networks_does_not_care(keeper):
    keeper.obstacle = "nft missing: apt-get install nftables"
    keeper.networks.start()
    keeper.networks.ready(spec())
    assert keeper.conductor.asked == []
    assert keeper.networks.trouble() == keeper.obstacle
    with pytest.raises(NetworksNotReady, match="nft missing: apt-get install nftables"):
        keeper.networks.ready(spec(a_port(5)))


def test_guests_that_cannot_read_about_themselves_run_all_the_same_and_it_is_tried_again(keeper):
    keeper.machine.unserved = "the proxy does not start"
    keeper.conductor.ports = (a_port(5),)
    keeper.networks.start()
    keeper.networks.ready(spec(a_port(5)))
    assert keeper.networks.trouble() == "guests cannot read about themselves: the proxy does not start"
    until(lambda: len(keeper.machine.made) >= 3)
    keeper.machine.unserved = ""
    assert keeper.networks.settle(10) and keeper.networks.trouble() == ""


@pytest.mark.parametrize("routers", [True, False])
def test_a_driver_without_real_cards_has_nothing_made_and_asks_once_to_be_given_routers(keeper, routers):
    conf = for_tests({"host": "beta", "host_networks.routers": routers})
    idle = GuestNetworks(conf, keeper.client, "beta", False, machine=keeper.machine)
    idle.start()
    idle.ready(spec(a_port(5)))
    assert idle.settle(1)
    assert (keeper.conductor.asked, keeper.machine.made) == ([""] if routers else [], [])


def test_a_port_that_nobody_wants_here_is_refused_at_once(keeper):
    keeper.networks.start()
    with pytest.raises(NetworksNotReady, match=f"the conductor knows no port {a_port(5).id} on this host"):
        keeper.networks.ready(spec(a_port(5)))


def test_a_network_that_the_host_cannot_have_is_named_with_the_reason(keeper):
    keeper.conductor.ports = (a_port(5),)
    keeper.machine.refused = {NET: "this host carries no networks of type vlan"}
    keeper.networks.start()
    with pytest.raises(NetworksNotReady, match=f"network {NET}: this host carries no networks of type vlan"):
        keeper.networks.ready(spec(a_port(5)))


def test_what_failed_is_tried_again_while_the_guest_waits(keeper):
    keeper.conductor.ports = (a_port(5),)
    keeper.machine.errors = [NetworkCommandFailed(reason="busy")]
    keeper.networks.start()
    keeper.networks.ready(spec(a_port(5)))
    assert keeper.networks.trouble() == ""
    assert [version for version, _ in keeper.machine.made] == [a_port(5).id]


def test_waiting_has_an_end_and_a_build_that_is_cancelled_does_not_wait_for_it():
    keeper = Keeper(**{"host_networks.ready_timeout": 1.0})
    try:
        keeper.conductor.open.clear()
        keeper.networks.start()
        with pytest.raises(NetworksNotReady, match="not ready on its host"):
            keeper.networks.ready(spec(a_port(5)))

        def check() -> None:
            raise BuildFailed("no longer wanted")

        with pytest.raises(BuildFailed):
            keeper.networks.ready(spec(a_port(5)), check)
    finally:
        keeper.close()


def test_news_are_acted_upon_and_the_same_again_changes_nothing(keeper):
    keeper.networks.start()
    until(lambda: keeper.machine.made)
    keeper.conductor.ports = (a_port(5), a_port(6))
    keeper.tell()
    until(lambda: len(keeper.machine.made) == 2)
    assert keeper.machine.made[-1] == (f"{a_port(5).id},{a_port(6).id}", False)
    keeper.tell()
    until(lambda: len(keeper.conductor.asked) == 3)
    assert keeper.networks.settle(10)
    assert len(keeper.machine.made) == 2


def test_a_flood_of_news_is_few_questions(keeper):
    keeper.networks.start()
    assert keeper.networks.settle(10)
    asked = len(keeper.conductor.asked)
    for _ in range(200):
        keeper.tell()
    until(lambda: len(keeper.conductor.asked) > asked)
    assert keeper.networks.settle(10)
    assert len(keeper.conductor.asked) <= asked + 10


CARD = Vif(port_id=a_port(5).id, mac=a_port(5).mac, network_id=NET)


def test_a_guest_whose_networks_are_not_there_is_neither_built_nor_started_nor_given_a_card(rig):
    rig.ask("spawn", a_work("spawn", B))
    rig.ask("stop", a_work("stop", B))
    rig.manager.networks.needed = True  # as for a hypervisor with real cards, on a host that cannot have networks
    rig.manager.networks.problem = "nft missing"
    report = rig.ask("spawn", a_work("spawn", vifs=(CARD,)))
    assert report.error_name == "NetworksNotReady"
    assert report.error == f"The networks of instance {A} are not ready on its host: nft missing"
    assert rig.driver.power_state(A) is PowerState.NOSTATE
    assert rig.ask("start", a_work("start", B, vifs=(CARD,))).error_name == "NetworksNotReady"
    assert rig.driver.power_state(B) is PowerState.SHUTDOWN
    with pytest.raises(NetworksNotReady):
        rig.client.of(GuestInterfaces, host="alpha").attach(system(), a_spec(B, vifs=(CARD,)), CARD)
    assert rig.ask("start", a_work("start", B)).error is None


def test_once_in_a_while_everything_is_looked_at():
    keeper = Keeper(**{"host_networks.sync_interval": 1.0})
    try:
        keeper.networks.start()
        until(lambda: len(keeper.machine.made) >= 2)
        assert keeper.machine.made[1] == ("none", True)
    finally:
        keeper.close()


def test_which_routers_are_carried_is_said_until_it_is_heard_and_guests_do_not_wait_for_it():
    router = CarriedRouter(id="router", port_ids=("leg",))
    keeper = Keeper(**{"host_networks.physical_interfaces": {"office": "eth9"}})
    try:
        keeper.conductor.deaf, keeper.machine.carried, keeper.conductor.ports = 2, (router,), (a_port(5),)
        keeper.networks.start()
        keeper.networks.ready(spec(a_port(5)))
        assert keeper.conductor.physical[0] == ("office",)
        until(lambda: keeper.conductor.carry == (router,))
        assert keeper.conductor.deaf == 0
        keeper.machine.carried, keeper.conductor.ports = (), ()
        keeper.tell()
        until(lambda: keeper.conductor.carry == ())
    finally:
        keeper.close()
    silent = Keeper(**{"host_networks.routers": False})
    try:
        silent.networks.start()
        assert silent.networks.settle(10)
        assert silent.conductor.physical[0] is None
    finally:
        silent.close()
