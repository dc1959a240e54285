"""The network service means the same on SQLite, PostgreSQL and MariaDB."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.api.networks.conftest import ada, admin, bob  # noqa: F401
from tests.api.networks.neutron import Neutron
from tests.api.networks.test_records import (  # noqa: F401
    test_filters_fields_order_and_pages,
    test_limits_hold_and_are_an_administrators,
    test_ports_by_what_they_have,
    test_segments_are_given_once,
    test_subnets_are_cut_from_pools,
    test_tags,
    test_who_sees_and_uses_networks,
)
from tests.api.networks.test_services import (  # noqa: F401
    joined,
    test_a_floating_address_stands_for_a_port,
    test_a_network_for_those_who_name_none,
    test_a_project_is_taken_apart_in_the_order_of_test_suites,
    test_rules_come_and_go,
)
from tests.contract.db.companion_clouds import cloud  # noqa: F401


def at_once(times: int, who: Neutron, method: str, path: str, body: object) -> list[int]:
    """The statuses of the same request asked that often at the same time, sorted."""
    with ThreadPoolExecutor(6) as pool:
        return sorted(pool.map(lambda _: who(method, path, body).status_code, range(times)))


def test_limits_and_ranges_are_exact_under_races(ada: Neutron, admin: Neutron) -> None:  # noqa: F811
    admin("PUT", f"/quotas/{ada.project}", {"quota": {"network": 4}})
    assert at_once(8, ada, "POST", "/networks", {"network": {"name": "n"}}) == [201] * 4 + [409] * 4
    network = ada.get("/networks")[0]["id"]
    subnet = {"network_id": network, "cidr": "10.0.0.0/24", "ip_version": 4}
    assert at_once(6, ada, "POST", "/subnets", {"subnet": subnet}) == [201] + [400] * 5
    pool = ada.make("subnetpool", prefixes=["10.4.0.0/22"], default_prefixlen=24)["id"]
    cut = {"network_id": network, "ip_version": 4, "subnetpool_id": pool}
    assert at_once(6, ada, "POST", "/subnets", {"subnet": cut}) == [201] * 4 + [400] * 2
    assert len({one["cidr"] for one in ada.get("/subnets")}) == 5


def test_a_port_is_pointed_to_and_joined_once(ada: Neutron, admin: Neutron) -> None:  # noqa: F811
    router, network, _ = joined(ada, admin)
    outside = router["external_gateway_info"]["network_id"]
    port = ada.make("port", network_id=network["id"])["id"]
    body = {"floatingip": {"floating_network_id": outside, "port_id": port}}
    assert at_once(5, ada, "POST", "/floatingips", body) == [201] + [409] * 4
    assert len(ada.get("/floatingips")) == 1
    _, other = ada.lan("10.1.0.0/24")
    join = {"subnet_id": other["id"]}
    told = at_once(5, ada, "PUT", f"/routers/{router['id']}/add_router_interface", join)
    assert (told[0], {*told[1:]} <= {400, 409}) == (200, True)
    assert len(ada.get("/ports?device_owner=network:router_interface")) == 2
