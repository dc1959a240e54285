"""Version documents, extensions."""

from __future__ import annotations

import pytest

from tests.api.conftest import ServersUnderTest


def test_the_root_lists_v20_first(api: ServersUnderTest) -> None:
    reply = api.get("/", prefix="", token=None)
    assert reply.status_code == 200
    old, new = reply.get_json()["versions"]
    assert (old["id"], old["status"], old["version"], old["min_version"]) == ("v2.0", "SUPPORTED", "", "")
    assert (new["id"], new["status"], new["version"], new["min_version"]) == (
        "v2.1",
        "CURRENT",
        "2.104",
        "2.1",
    )
    assert new["links"] == [{"rel": "self", "href": "http://localhost/v2.1/"}]


@pytest.mark.parametrize(
    ("path", "version"), [("/v2", "v2.0"), ("/v2/", "v2.0"), ("/v2.1", "v2.1"), ("/v2.1/", "v2.1")]
)
def test_documents_need_no_token(api: ServersUnderTest, path: str, version: str) -> None:
    document = api.get(
        path, prefix="", token=None, headers={"OpenStack-API-Version": "compute 9.9"}
    ).get_json()
    assert document["version"]["id"] == version
    assert document["version"]["media-types"][0]["base"] == "application/json"
    assert [link["rel"] for link in document["version"]["links"]] == ["self", "describedby"]


def test_documents_by_id(api: ServersUnderTest) -> None:
    assert api.get("/versions/v2.1").get_json()["version"]["id"] == "v2.1"
    assert api.get("/versions/v9").status_code == 404


def test_links_behind_a_proxy() -> None:
    api = ServersUnderTest(**{"api.compute_link_prefix": "https://cloud.example/compute/"})
    document = api.get("/", prefix="", token=None).get_json()
    assert document["versions"][1]["links"][0]["href"] == "https://cloud.example/compute/v2.1/"


def test_extensions(api: ServersUnderTest) -> None:
    listed = api.get("/extensions").get_json()["extensions"]
    assert {"os-consoles", "OS-DCF"} <= {extension["alias"] for extension in listed}
    assert api.get("/extensions/os-consoles").get_json()["extension"]["name"] == "Consoles"
    assert api.get("/extensions/os-none").status_code == 404
    assert len(listed) == len({extension["alias"] for extension in listed}) == 99
    old = api.get("/extensions", prefix="/v2").get_json()["extensions"]
    assert {one["alias"] for one in old} - {one["alias"] for one in listed} == {"OS-EXT-VIF-NET"}
    assert api.get("/extensions/OS-EXT-VIF-NET", prefix="/v2").status_code == 200
    assert api.get("/extensions/OS-EXT-VIF-NET").status_code == 404
