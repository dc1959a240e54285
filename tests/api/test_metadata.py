"""Metadata, addresses and tags of a server."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import ServersUnderTest
from tests.api.scripted import SERVER
from tests.api.support import message

PATH = f"/servers/{SERVER}/metadata"


def test_the_six_routes(api: ServersUnderTest) -> None:
    assert api.get(PATH).get_json() == {"metadata": {"role": "front"}}
    assert api.post(PATH, {"metadata": {"a": "b"}}).get_json() == {"metadata": {"role": "front", "a": "b"}}
    assert api.get(f"{PATH}/a").get_json() == {"meta": {"a": "b"}}
    assert api.put(f"{PATH}/a", {"meta": {"a": "c"}}).get_json() == {"meta": {"a": "c"}}
    assert api.delete(f"{PATH}/role").status_code == 204
    assert api.get(PATH).get_json() == {"metadata": {"a": "c"}}
    assert api.put(PATH, {"metadata": {}}).get_json() == {"metadata": {}}


def test_keys_that_are_not_there(api: ServersUnderTest) -> None:
    assert api.get(f"{PATH}/none").status_code == 404
    assert api.delete(f"{PATH}/none").status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "body", "words"),
    [
        ("POST", "", {"metadata": {"": "x"}}, "metadata"),
        ("POST", "", {"metadata": {"k" * 256: "x"}}, "metadata"),
        ("POST", "", {"metadata": {"k": "x" * 256}}, "metadata.k."),
        ("POST", "", {"metadata": {"k": None}}, "metadata.k."),
        ("POST", "", {"metadata": {}, "more": 1}, "more. There is no such field"),
        ("POST", "", {"meta": {}}, "meta"),
        ("PUT", "", {"metadata": None}, "metadata."),
        ("PUT", "/k", {"meta": {"other": "x"}}, "mismatch"),
        ("PUT", "/k", {"meta": {"k": "x", "l": "y"}}, "at most 1"),
        ("PUT", "/k", {"meta": {}}, "at least 1"),
        ("PUT", "/k", {"meta": "x"}, "must be an object"),
    ],
)
def test_bodies_that_are_refused(
    api: ServersUnderTest, method: str, path: str, body: Any, words: str
) -> None:
    reply = api.request(method, PATH + path, json=body)
    assert (reply.status_code, words in message(reply)) == (400, True), message(reply)
    assert api.servers.rows[SERVER]["metadata"] == {"role": "front"}


def test_readers_only_look(api: ServersUnderTest) -> None:
    assert api.get(PATH, token="reader").status_code == 200
    assert api.post(PATH, {"metadata": {}}, token="reader").status_code == 403


def test_addresses(api: ServersUnderTest) -> None:
    assert api.get(f"/servers/{SERVER}/ips").get_json() == {"addresses": {}}
    assert api.get(f"/servers/{SERVER}/ips/private").status_code == 404
    address = {"addr": "10.0.0.2", "version": 4, "OS-EXT-IPS:type": "fixed"}
    api.servers.rows[SERVER]["addresses"] = {"private": [address]}
    assert api.get(f"/servers/{SERVER}/ips/private").get_json() == {
        "private": [{"addr": "10.0.0.2", "version": 4}]
    }


def test_tags(api: ServersUnderTest) -> None:
    assert api.get(f"/servers/{SERVER}/tags", version="2.26").get_json() == {"tags": ["blue"]}
    assert api.get(f"/servers/{SERVER}/tags/blue", version="2.26").status_code == 204
    assert api.get(f"/servers/{SERVER}/tags/red", version="2.26").status_code == 404
