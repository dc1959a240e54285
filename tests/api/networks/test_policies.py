"""Every route of the Network API for every role, and foreign ids that look absent. The cases are made from the
routes there are: a new one is covered, or must be told apart here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.companions import Companions
from tests.api.networks.neutron import ABSENT, Neutron
from tests.api.networks.test_services import joined

ADMINS = {("GET", "/quotas"), ("PUT", "/quotas/<project_id>"), ("DELETE", "/quotas/<project_id>")}
MEMBERS_READ = {("GET", "/auto-allocated-topology/<project_id>")}
"""Reading makes it."""


class Matrix:
    """One thing of each kind, and who asks for it."""

    def __init__(self, cloud: Companions) -> None:
        self.cloud, self.admin = cloud, Neutron(cloud, cloud.admin)
        self.owner, self.stranger = Neutron.member(cloud, "ada"), Neutron.member(cloud, "bob")
        user = cloud.make("user", name="rita", password="rita")
        path = f"/projects/{self.owner.project}/users/{user['id']}/roles/{cloud.role('reader')}"
        assert cloud.v3("PUT", path).status_code == 204
        self.reader = Neutron(cloud, cloud.login("rita", "rita", "ada"), self.owner.project)
        router, network, subnet = joined(self.owner, self.admin)
        port = self.owner.make("port", network_id=network["id"])
        outside = router["external_gateway_info"]["network_id"]
        group = self.owner.get("/security-groups")[0]
        self.real = {
            "networks": network["id"], "subnets": subnet["id"], "ports": port["id"], "routers": router["id"],
            "floatingips": self.owner.make("floatingip", floating_network_id=outside)["id"],
            "security-groups": group["id"], "security-group-rules": group["security_group_rules"][0]["id"],
            "subnetpools": self.owner.make("subnetpool", prefixes=["10.0.0.0/8"])["id"],
            "quotas": self.owner.project, "auto-allocated-topology": self.owner.project,
        }  # fmt: skip

    def path(self, path: str, real: bool) -> str:
        """With ids of what there is, or is not; a tag that is not there."""
        parts = path.split("/")
        for at, part in enumerate(parts):
            if part.startswith("<"):
                there = {"<tag>": "red", "<alias>": "router"}.get(part)
                parts[at] = there or (self.real[parts[at - 1]] if real else ABSENT)
        return "/".join(parts)


def cases(cloud: Companions) -> Iterator[tuple[str, str]]:
    """(method, path) of everything there is."""
    for rule in cloud.http.application.url_map.iter_rules():
        if rule.endpoint.startswith("networks."):
            for method in sorted(rule.methods - {"HEAD", "OPTIONS"}):
                yield method, rule.rule.removeprefix("/network").removeprefix("/v2.0") or "/"


def body_of(path: str) -> Any:
    """A body that is well-formed; what it says does not get so far."""
    if path.endswith("/tags"):
        return {"tags": ["x"]}
    if path.endswith("_router_interface"):
        return {"subnet_id": ABSENT}
    noun = path.split("/")[1].replace("-", "_").removesuffix("s")
    needed = {
        "subnet": {"network_id": ABSENT, "ip_version": 4, "cidr": "10.0.0.0/8"}, "port": {"network_id": ABSENT},
        "subnetpool": {"prefixes": ["10.0.0.0/8"]}, "floatingip": {"floating_network_id": ABSENT},
        "security_group_rule": {"security_group_id": ABSENT, "direction": "ingress"},
    }  # fmt: skip
    return {noun: needed.get(noun, {}) if "<" not in path else {}}


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Matrix]:
    cloud = Companions(Path(tmp_path_factory.mktemp("matrix")))
    yield Matrix(cloud)
    cloud.close()


def test_every_route_asks_for_a_token(matrix: Matrix) -> None:
    nobody = Neutron(matrix.cloud, None)
    open_to_all = {
        case for case in cases(matrix.cloud) if nobody(case[0], matrix.path(case[1], True)).status_code != 401
    }
    assert {case for case in open_to_all if case[1] != "/"} == set()


def test_readers_read_and_members_write(matrix: Matrix) -> None:
    for method, path in cases(matrix.cloud):
        writes = method != "GET" or (method, path) in MEMBERS_READ
        refused = matrix.reader(
            method, matrix.path(path, True), body_of(path) if method in ("POST", "PUT") else None
        )
        expected = writes or (method, path) in ADMINS
        assert (refused.status_code == 403) is expected, (method, path, refused.status_code, refused.text)
        if expected:
            assert refused.get_json()["NeutronError"]["type"] == "PolicyNotAuthorized"


def test_members_may_what_is_not_an_administrators(matrix: Matrix) -> None:
    for method, path in cases(matrix.cloud):
        if (method, path) in MEMBERS_READ or (method == "DELETE" and (method, path) not in ADMINS):
            continue
        reply = matrix.owner(
            method, matrix.path(path, False), body_of(path) if method in ("POST", "PUT") else None
        )
        mine = (
            path.startswith("/quotas/<") and (method, path) not in ADMINS
        )  # of a project that is not the caller's
        expected = (method, path) in ADMINS or mine
        assert (reply.status_code == 403) is expected, (method, path, reply.status_code, reply.text)


def test_what_is_anothers_looks_absent(matrix: Matrix) -> None:
    for method, path in cases(matrix.cloud):
        if "<" not in path or path.startswith(("/quotas", "/extensions", "/auto-")):
            continue
        body = body_of(path) if method in ("POST", "PUT") else None
        asked = [matrix.stranger(method, matrix.path(path, real), body) for real in (True, False)]
        real = matrix.real[path.split("/")[1]]
        told = [reply.text.replace(real, "ID").replace(ABSENT, "ID") for reply in asked]
        assert [reply.status_code for reply in asked] == [404, 404], (method, path, told)
        assert told[0] == told[1]
    assert {
        kind for kind, one in matrix.real.items() if matrix.owner("GET", f"/{kind}/{one}").status_code != 200
    } == set()
