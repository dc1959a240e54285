"""What requests to the network service cost: one call each, and lists no more statements by their length."""

from __future__ import annotations

from typing import Any

from tests.api.companions import Companions
from tests.api.networks.neutron import Neutron, path_of
from tests.api.networks.test_services import joined

LISTS = {
    "network": 4, "subnet": 3, "port": 5, "router": 7, "floatingip": 4, "security_group": 6,
    "security_group_rule": 4, "subnetpool": 3,
}  # fmt: skip
"""Statements of a list, with the BEGIN of each transaction."""
PORT = 30
"""Statements of a new port with an address and groups."""


def cost(cloud: Companions, who: Neutron, method: str, path: str, body: Any = None) -> int:
    """Statements of a request, which is one call."""
    before = cloud.db.statements
    with cloud.bus.recording() as sent:
        reply = who(method, path, body)
    assert reply.status_code in (200, 201), reply.text
    calls = [event.name for event in sent if event.kind.value == "call"]
    assert len(calls) == 1, calls
    return cloud.db.statements - before


def test_lists_cost_the_same_however_long_they_are(cloud: Companions, ada: Neutron, admin: Neutron) -> None:
    router, network, _ = joined(ada, admin)
    ada.get("/security-groups")  # the default group is made once
    outside = router["external_gateway_info"]["network_id"]

    def one_more_of_each(number: int) -> None:
        ada.lan(f"10.{number}.0.0/24")
        port = ada.make("port", network_id=network["id"])
        ada.make("floatingip", floating_network_id=outside, port_id=port["id"])
        ada.make("security_group", name="g")
        ada.make("router", external_gateway_info={"network_id": outside})
        ada.make("subnetpool", prefixes=["10.0.0.0/8"])

    one_more_of_each(1)
    short = {kind: cost(cloud, ada, "GET", f"/{path_of(kind)}") for kind in LISTS}
    for number in range(2, 6):
        one_more_of_each(number)
    assert {kind: cost(cloud, ada, "GET", f"/{path_of(kind)}") for kind in LISTS} == short
    assert {kind: found for kind, found in short.items() if found > LISTS[kind]} == {}


def test_a_port_costs_the_same_whatever_is_there(cloud: Companions, ada: Neutron) -> None:
    network, _ = ada.lan()
    body = {"port": {"network_id": network["id"]}}
    ada("POST", "/ports", body)
    costs = [cost(cloud, ada, "POST", "/ports", body) for _ in range(5)]
    assert len(set(costs)) == 1 and costs[0] <= PORT, costs
