"""What the API answers is what its documents say: every GET at several versions, and a script of changes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import jsonschema
import pytest

from novalite.api.app import routes
from novalite.api.legacy import gone
from novalite.api.microversions import MAX
from novalite.api.openapi import shape_of
from tests.api.test_costs import WRITES, Counter
from tests.api.test_policy_matrix import document_of
from tests.api.world import World
from tests.served import ServedCloud

MINORS = (1, 2, 9, 20, 27, 35, 47, 52, 60, 71, 75, 87, 92, MAX[1])


@lru_cache(maxsize=1024)
def _schema(minor: int, method: str, shape: str, status: int) -> Any:
    """The schema of an answer; None when the document knows no body for it."""
    found = document_of(minor)
    (item,) = [item for path, item in found["paths"].items() if shape_of(path) == shape]
    responses = item[method.lower()]["responses"]
    assert str(status) in responses, f"{method} {shape} at 2.{minor} answers {status}, not only {list(responses)}"
    content = responses[str(status)].get("content")
    if content is None:
        return None
    return jsonschema.Draft202012Validator({**content["application/json"]["schema"]})


def problem(minor: int, method: str, shape: str, reply: Any) -> str | None:
    """What is wrong with an answer."""
    schema = _schema(minor, method, shape, reply.status_code)
    said = f"{method} {shape} at 2.{minor} ({reply.status_code}): "
    if schema is None:
        return None if not reply.data else said + "a body that the document does not know"
    if not reply.data and method == "POST" and shape.endswith("action"):
        return None  # other actions of the status have a body
    if not reply.data:
        return said + "no body, and the document knows one"
    errors = sorted(schema.iter_errors(reply.get_json()), key=lambda e: list(map(str, e.path)))
    return said + f"{'/'.join(map(str, errors[0].path))}: {errors[0].message[:200]}" if errors else None


@pytest.fixture(scope="module")
def counter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counter]:
    """A cloud with one of each thing."""
    world = World(tmp_path_factory.mktemp("answers"), ServedCloud)
    yield Counter(world)
    world.close()


def test_every_get_answers_what_the_documents_say(counter: Counter) -> None:
    matrix, wrong, fitting = counter.matrix, [], 0
    for row in routes():
        if row.method != "GET" or row in gone.ROUTES.rows or row.path.startswith("/os-volumes_boot"):
            continue
        for minor in (minor for minor in MINORS if row.at(minor)):
            for caller in ("member", "admin"):
                reply = matrix.ask(caller, row, matrix.path(row, True), minor, None)
                if reply.status_code < 300:
                    found = problem(minor, row.method, shape_of(row.path), reply)
                    wrong += [found] if found else []
                    fitting += not found
    assert not wrong, "\n".join(wrong)
    assert fitting > 800


def test_changes_answer_what_the_documents_say(counter: Counter) -> None:
    wrong, shapes = [], {(row.method, shape_of(row.path)) for row in routes()}
    for caller, method, path, body in WRITES:
        filled = path
        for name, value in counter.names.items():
            filled = filled.replace("{" + name + "}", value)
        reply = counter.matrix.callers[caller](method, filled, counter.matrix.world.fill(body))
        parts = path.split("/")
        (shape,) = [
            shape for verb, shape in shapes
            if verb == method and len(shape.split("/")) == len(parts)
            and all(a in ("{}", b) for a, b in zip(shape.split("/"), parts, strict=True))
            and "{}" not in set(shape.split("/")[:2])
        ] or [None]  # fmt: skip
        if shape and reply.status_code < 300 and (found := problem(MAX[1], method, shape, reply)):
            wrong.append(f"{found} {list(body) if isinstance(body, dict) else ''}")
    assert not wrong, "\n".join(wrong)
