"""Revocations reach every API process at once, over HTTP parts as the daemons run them."""

from __future__ import annotations

import http.client
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.dev.cloud import Cloud, Plan
from novalite.cmd import api
from novalite.cmd.http import HttpPart
from novalite.daemon import Life
from tests.api.companions import Companions
from tests.services.fixtures import running

Parts = tuple[Companions, list[HttpPart]]


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Parts]:
    """A conductor with two API processes' parts, which look for revocations once an hour."""
    monkeypatch.setattr(tempfile, "tempdir", None)
    options = {"api.listen": "127.0.0.1", "api.port": 0, "state_path": str(tmp_path)}
    cloud = Companions(tmp_path, options)
    made = [api.part(cloud.conf, cloud.bus, cloud.client) for _ in range(2)]
    for part in made:
        part.start(Life(1))
    yield cloud, made
    for part in made:
        part.stop(1)
    cloud.close()


def ask(port: int, method: str, token: str) -> int:
    """The status of a request about the token itself."""
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        headers = {"X-Auth-Token": token, "X-Subject-Token": token}
        link.request(method, "/identity/v3/auth/tokens", headers=headers)
        return link.getresponse().status
    finally:
        link.close()


def test_a_token_revoked_in_one_process_is_void_in_the_other(parts: Parts) -> None:
    cloud, (first, second) = parts
    assert ask(first.port, "GET", cloud.admin) == ask(second.port, "GET", cloud.admin) == 200
    assert ask(first.port, "DELETE", cloud.admin) == 204
    assert ask(second.port, "GET", cloud.admin) == 401


def test_news_end_with_the_part(parts: Parts) -> None:
    cloud, made = parts
    assert len(cloud.bus._carrier.servers["api"]) == 3, "one of the test's own worker, one of each part"
    for part in made:
        assert part.stop(1)
    assert len(cloud.bus._carrier.servers["api"]) == 1


@pytest.mark.services
def test_workers_of_one_daemon_hear_over_rabbitmq() -> None:
    options = {"api.workers": "3", "identity.revocation_poll_interval": "3600"}
    with running(Cloud(Plan(computes=0, db="sqlite", options=options))) as cloud:
        port = int(cloud.url.rpartition(":")[2].partition("/")[0])
        cloud.api.take_token()
        token = cloud.api.take_token()
        assert {ask(port, "GET", token) for _ in range(20)} == {200}, "every worker has seen the token"
        assert ask(port, "DELETE", token) == 204
        assert {ask(port, "GET", token) for _ in range(20)} == {401}
