"""The same API with everything real behind it but the hypervisor."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from novalite.api.app import create_app
from novalite.context import Context
from novalite.db.models.images import Image
from novalite.errors import Unauthorized
from tests.cloud import Cloud


class Door:
    """Lets in `member` and `admin` of a cloud, and a `stranger`."""

    def __init__(self, cloud: Cloud) -> None:
        other = Context(user_id="other", project_id="3" * 32, roles=("member",))
        self.callers = {"member": cloud.ctx, "admin": cloud.admin, "stranger": other}

    def verify(self, token: str) -> Context:
        if token not in self.callers:
            raise Unauthorized
        return self.callers[token]

    def project_exists(self, ctx: Context, project_id: str) -> bool:
        return True


class Session:
    """Requests of one caller at the newest version."""

    def __init__(self, http: FlaskClient, token: str = "member") -> None:
        self.http = http
        self.headers = {"X-Auth-Token": token, "OpenStack-API-Version": "compute latest"}

    def __call__(self, method: str, path: str, json: Any = None) -> Any:
        return self.http.open(f"/v2.1{path}", method=method, json=json, headers=self.headers)


@pytest.fixture
def http(cloud: Cloud) -> FlaskClient:
    return create_app(cloud.conf, cloud.client, Door(cloud)).test_client()


def test_the_life_of_a_server(cloud: Cloud, http: FlaskClient) -> None:
    server = cloud.boot("web", tags=("blue", "round"), metadata={"a": "b"})
    path, call = f"/servers/{server}", Session(http)

    def status() -> Any:
        return call("GET", path).get_json()["server"]["status"]

    assert status() == "ACTIVE"
    for action, then in (
        ({"pause": None}, "PAUSED"),
        ({"unpause": None}, "ACTIVE"),
        ({"suspend": None}, "SUSPENDED"),
        ({"resume": None}, "ACTIVE"),
        ({"os-stop": None}, "SHUTOFF"),
        ({"os-start": None}, "ACTIVE"),
        ({"reboot": {"type": "HARD"}}, "ACTIVE"),
    ):
        assert call("POST", f"{path}/action", action).status_code == 202
        assert status() == then, action
    refused = call("POST", f"{path}/action", {"unpause": None})
    assert refused.status_code == 409
    assert "vm_state active" in refused.get_json()["conflictingRequest"]["message"]
    assert call("POST", f"{path}/action", {"os-getConsoleOutput": {"length": 5}}).status_code == 200
    done = [a["action"] for a in call("GET", f"{path}/os-instance-actions").get_json()["instanceActions"]]
    assert done == ["reboot", "start", "stop", "resume", "suspend", "unpause", "pause", "create"]
    assert call("DELETE", path).status_code == 204
    assert call("GET", path).status_code == 404
    assert call("GET", f"{path}/os-instance-actions").status_code == 200


def test_a_locked_server_stays_as_it_is(cloud: Cloud, http: FlaskClient) -> None:
    server = cloud.boot("web")
    path, call = f"/servers/{server}", Session(http)
    assert call("POST", f"{path}/action", {"lock": {"locked_reason": "holiday"}}).status_code == 202
    assert call("GET", path).get_json()["server"]["locked_reason"] == "holiday"
    for reply in (call("POST", f"{path}/action", {"os-stop": None}), call("DELETE", path)):
        assert reply.status_code == 409
    assert call("POST", f"{path}/action", {"unlock": None}).status_code == 202
    assert call("DELETE", path).status_code == 204


def test_changes_and_metadata(cloud: Cloud, http: FlaskClient) -> None:
    server = cloud.boot("web", metadata={"a": "b"})
    path, call = f"/servers/{server}", Session(http)
    body = {"server": {"name": "new", "description": "d", "hostname": "h", "accessIPv4": "10.0.0.1"}}
    assert call("PUT", path, body).get_json()["server"]["name"] == "new"
    assert call("GET", path).get_json()["server"]["description"] == "d"
    assert call("POST", f"{path}/metadata", {"metadata": {"c": "d"}}).status_code == 200
    assert call("DELETE", f"{path}/metadata/a").status_code == 204
    assert call("GET", f"{path}/metadata").get_json() == {"metadata": {"c": "d"}}


def test_strangers_find_nothing(cloud: Cloud, http: FlaskClient) -> None:
    server = cloud.boot("web")
    stranger = Session(http, "stranger")
    for method, path, body in (
        ("GET", "", None),
        ("PUT", "", {"server": {"name": "x"}}),
        ("DELETE", "", None),
        ("POST", "/action", {"os-stop": None}),
        ("POST", "/action", {"lock": None}),
        ("POST", "/action", {"os-getConsoleOutput": {}}),
        ("GET", "/metadata", None),
        ("POST", "/metadata", {"metadata": {"a": "b"}}),
        ("DELETE", "/metadata/a", None),
        ("GET", "/os-instance-actions", None),
    ):
        assert stranger(method, f"/servers/{server}{path}", body).status_code == 404, (method, path)
    assert stranger("GET", "/servers").get_json() == {"servers": []}
    assert cloud.show(server)["name"] == "web"


FILTERS = {
    "name=^w": "web wind",
    "name=^web$": "web",
    "status=ACTIVE": "web wind stone",
    "status=SHUTOFF": "",
    "tags=blue": "web wind",
    "tags=blue,round": "web",
    "tags-any=round,square": "web stone",
    "not-tags=blue": "stone",
    "not-tags-any=round,square": "wind",
    "tags=Blue": "",
    "vm_state=active": "web wind stone",
    "power_state=1": "web wind stone",
    "locked=true": "",
    "flavor=tiny": "web wind stone",
    "image=11111111-2222-4333-8444-555555555555": "",
    "key_name=": "web wind stone",
    "availability_zone=nova": "web wind stone",
    "availability_zone=moon": "",
    "config_drive=no": "web wind stone",
    "host=alpha": "web wind stone",
    "host=beta": "",
    "hostname=web": "web",
    "description=^fast": "wind",
    "created_at=2020-01-01": "",
    "metadata={\"a\": \"b\"}": "",
    "changes-since=2020-01-01": "web wind stone",
    "changes-before=2020-01-01": "",
    "locked_by=": "web wind stone",
    "auto_disk_config=MANUAL": "web wind stone",
    "reservation_id=r-none": "",
    "ip=10": "",
    "deleted=true": "",
    "progress=7": "",
}


def test_every_filter_works(cloud: Cloud, http: FlaskClient) -> None:
    cloud.boot("web", tags=("blue", "round"))
    cloud.boot("wind", tags=("blue",), description="fast and free")
    cloud.boot("stone", tags=("square",))
    call = Session(http, "admin")
    for asked, names in FILTERS.items():
        reply = call("GET", f"/servers?sort_key=created_at&sort_dir=asc&{asked}")
        assert reply.status_code == 200, (asked, reply.get_json())
        assert [s["name"] for s in reply.get_json()["servers"]] == names.split(), asked


def test_pages_cover_everything_once(cloud: Cloud, http: FlaskClient) -> None:
    made = {cloud.boot(f"s{n}") for n in range(5)}
    call, seen, path = Session(http), [], "/servers/detail?limit=2&sort_key=display_name"
    while path:
        page = call("GET", path).get_json()
        seen += [s["id"] for s in page["servers"]]
        links = page.get("servers_links", [])
        path = links[0]["href"].removeprefix("http://localhost/v2.1") if links else ""
    assert len(seen) == 5
    assert set(seen) == made
    assert call("GET", "/servers?marker=00000000-0000-4000-8000-000000000000").status_code == 400


def test_sort_keys_work(cloud: Cloud, http: FlaskClient) -> None:
    from novalite.api.servers.filters import SORT_KEYS

    cloud.boot("web")
    call = Session(http, "admin")
    for key in (*SORT_KEYS, "locked"):
        assert len(call("GET", f"/servers?sort_key={key}").get_json()["servers"]) == 1, key


IMAGE = "11111111-2222-4333-8444-555555555555"
QUOTA = "Quota exceeded for cores, instances, ram"


@pytest.fixture
def image(cloud: Cloud) -> str:
    """A public image of 1 MB."""
    row = Image(id=IMAGE, name="tiny", status="active", visibility="public", owner="p", size=1 << 20,
                disk_format="qcow2", container_format="bare", virtual_size=1 << 20)  # fmt: skip
    with cloud.db.begin() as session:
        session.add(row)
    return IMAGE


def new_server(**changes: Any) -> dict[str, Any]:
    return {"server": {"name": "web", "flavorRef": "tiny", "imageRef": IMAGE, "networks": "none", **changes}}


def test_a_server_boots_from_an_image(cloud: Cloud, http: FlaskClient, image: str) -> None:
    call = Session(http)
    with cloud.bus.recording() as sent:
        reply = call("POST", "/servers", new_server(tags=["blue"], metadata={"a": "b"}, hostname="w.example"))
    assert reply.status_code == 202, reply.get_json()
    assert sum(envelope.kind.value == "call" for envelope in sent) <= 6
    server = call("GET", f"/servers/{reply.get_json()['server']['id']}").get_json()["server"]
    assert (server["status"], server["OS-EXT-SRV-ATTR:hostname"]) == ("ACTIVE", "w.example")
    assert (server["image"]["id"], server["tags"], server["metadata"]) == (IMAGE, ["blue"], {"a": "b"})
    assert server["locked"] is False
    assert server["flavor"]["original_name"] == "tiny"


def test_several_servers_share_a_reservation(cloud: Cloud, http: FlaskClient, image: str) -> None:
    reply = Session(http)("POST", "/servers", new_server(min_count=3, return_reservation_id=True))
    reservation = reply.get_json()["reservation_id"]
    found = Session(http)("GET", f"/servers?reservation_id={reservation}").get_json()["servers"]
    assert sorted(server["name"] for server in found) == ["web-1", "web-2", "web-3"]


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"flavorRef": "none"}, 400, "Flavor none could not be found."),
        ({"imageRef": IMAGE.replace("1", "2")}, 400, "could not be found."),
        ({"availability_zone": "moon"}, 400, "availability zone is not available"),
        ({"key_name": "none"}, 400, "Invalid key_name"),
        ({"max_count": 1000, "min_count": 1000}, 403, QUOTA),
        ({"metadata": {f"k{n}": "v" for n in range(200)}}, 403, "Quota exceeded for metadata_items"),
    ],
)
def test_creates_the_conductor_refuses_leave_nothing(
    cloud: Cloud, http: FlaskClient, image: str, change: dict[str, Any], status: int, words: str
) -> None:
    reply = Session(http)("POST", "/servers", new_server(**change))
    assert reply.status_code == status
    ((_, fault),) = reply.get_json().items()
    assert words in fault["message"]
    assert cloud.list_all() == []
