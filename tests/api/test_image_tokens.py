"""A token that a compute host is given for one image opens the bytes of that image and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from werkzeug.routing import BuildError, Rule

from tests.api.companions import Companions

OTHER = "5f8e0b5c-0000-4000-8000-000000000000"


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Companions]:
    """Identity, images and every compute route."""
    made = Companions(tmp_path)
    yield made
    made.close()


def paths(cloud: Companions, rule: Rule, image_id: str) -> str:
    """A path of the rule, with the image's id for every part of it."""
    values = {name: 1 if kind.regex == r"\d+" else image_id for name, kind in rule._converters.items()}
    built = rule.build(values)
    if built is None:
        raise BuildError(rule.endpoint, values, None)
    return str(built[1])


def test_every_route_but_the_bytes_of_its_image_refuses_it(cloud: Companions) -> None:
    image = cloud.image(data=b"1234")
    token = cloud.env.signer.image_token(image["id"], 60)
    app = cloud.http.application
    asked = 0
    for rule in app.url_map.iter_rules():
        public = getattr(app.view_functions[rule.endpoint], "__novalite_public__", False)
        for method in (rule.methods or set()) - {"OPTIONS"}:  # answered without a view: the methods there are
            path = paths(cloud, rule, image["id"])
            status = cloud.request(method, path, token).status_code
            if public:
                continue
            asked += 1
            mine = (method, path) == ("GET", f"/image/v2/images/{image['id']}/file")
            assert status == (200 if mine else 403), (method, path, status)
    assert asked > 150


def test_the_bytes_are_had_and_no_others(cloud: Companions) -> None:
    image, other = cloud.image(data=b"1234"), cloud.image(data=b"5678")
    token = cloud.env.signer.image_token(image["id"], 60)
    assert cloud.v2("GET", f"/images/{image['id']}/file", token).data == b"1234"
    reply = cloud.v2("GET", f"/images/{other['id']}/file", token)
    assert reply.status_code == 403 and "one image" in reply.text
    assert cloud.v2("GET", f"/images/{OTHER}/file", token).status_code == 403


def test_it_is_no_way_to_another_token(cloud: Companions) -> None:
    token = cloud.env.signer.image_token(OTHER, 60)
    assert cloud.auth({"methods": ["token"], "token": {"id": token}}).status_code == 401
    assert cloud.v3("GET", "/auth/tokens", headers={"X-Subject-Token": token}).status_code == 404
    assert cloud.request("GET", "/v2.1/no-such-thing", token).status_code == 403
