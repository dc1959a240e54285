"""From a message to the endpoint's method and back: one Dispatcher per server, whichever bus carries it.

An answer is `{"ok": value}` or `{"error": WireError}` as JSON text. Errors of `novalite.errors` cross
by name; any other exception is logged here, once, and crosses as RemoteError.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from pydantic import BaseModel, ValidationError

from novalite import log, metrics
from novalite.context import Context
from novalite.errors import (
    NovaliteError,
    RemoteError,
    RpcError,
    UnknownMethod,
    VersionMismatch,
    from_wire,
)
from novalite.rpc.bus import Envelope
from novalite.rpc.contracts.base import Contract, Method

LOG = logging.getLogger(__name__)
SERVED = metrics.Timer("novalite_rpc_served_seconds", "Time spent serving a message.", "topic", "method")
FAILED = metrics.Counter("novalite_rpc_failed_total", "Messages answered with an error, by its name.",
                         "topic", "method", "error")


def to_json(value: Any) -> str:
    """JSON text of plain values, messages, dates and enums; models are encoded by pydantic's own encoder."""
    return orjson.dumps(value, default=_other).decode()


def _other(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return orjson.Fragment(value.__pydantic_serializer__.to_json(value))
    if isinstance(value, set | frozenset):
        return list(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} cannot cross the bus")


class Dispatcher:
    """Finds the endpoint of a message, decodes its arguments, encodes its answer."""

    def __init__(self, topic: str, endpoints: Sequence[Contract]) -> None:
        self.topic = topic
        self.endpoints: dict[str, Contract] = {}
        for endpoint in endpoints:
            if endpoint.topic != topic:
                raise ValueError(f"{type(endpoint).__name__} belongs to topic {endpoint.topic}, not {topic}")
            if endpoint.namespace in self.endpoints:
                raise ValueError(f"two endpoints for {topic} {endpoint.namespace}")
            self.endpoints[endpoint.namespace] = endpoint

    def handle(self, envelope: Envelope) -> str:
        """Serve one message; the answer or the error as JSON text. Never raises an Exception."""
        name = envelope.name
        try:
            ctx = Context.model_validate_json(envelope.ctx)
            with log.bind(ctx), SERVED.time(self.topic, name):
                try:
                    return f'{{"ok":{to_json(self._run(envelope, ctx))}}}'
                except Exception as error:
                    return self._failed(envelope, error)
        except ValidationError as error:
            return self._failed(envelope, _bad("ctx", name, error))

    def _run(self, envelope: Envelope, ctx: Context) -> Any:
        endpoint = self._endpoint(envelope)
        method = endpoint.methods.get(envelope.method)
        if method is None or getattr(type(endpoint), method.name) is method.stub:
            raise self._unknown(envelope, endpoint.version)
        return getattr(endpoint, method.name)(ctx, **_arguments(envelope, method))

    def _endpoint(self, envelope: Envelope) -> Contract:
        endpoint = self.endpoints.get(envelope.namespace)
        if endpoint is None:
            raise self._unknown(envelope, "none of this namespace")
        if not serves(endpoint.version, envelope.version):
            raise VersionMismatch(topic=self.topic, namespace=envelope.namespace,
                                  offered=endpoint.version, wanted=envelope.version)
        return endpoint

    def _unknown(self, envelope: Envelope, version: str) -> UnknownMethod:
        return UnknownMethod(topic=self.topic, namespace=envelope.namespace,
                             method=envelope.method, version=version)

    def _failed(self, envelope: Envelope, error: Exception) -> str:
        FAILED.add(self.topic, envelope.name, type(error).__name__)
        if isinstance(error, NovaliteError):
            level = logging.WARNING if error.status >= 500 else logging.DEBUG
            LOG.log(level, "%s answered %s: %s", envelope.name, type(error).__name__, error)
            wire = error.to_wire()
        else:
            LOG.error("%s failed", envelope.name, exc_info=error)
            wire = RemoteError(reason=f"{type(error).__name__}: {error}").to_wire()
        return orjson.dumps({"error": wire}, default=str).decode()


def serves(offered: str, wanted: str) -> bool:
    """Whether a server of contract version `offered` understands a caller of `wanted` ("major.minor")."""
    have, want = (tuple(int(part) for part in text.split(".")) for text in (offered, wanted))
    return have[0] == want[0] and have[1] >= want[1]


def read_answer(answer: str, method: Method) -> Any:
    """The value in an answer; raises the error in it."""
    body = orjson.loads(answer)
    if "error" in body:
        raise from_wire(body["error"])
    value = body["ok"]
    return value if method.answers_plainly else method.returns.validate_python(value)


def _arguments(envelope: Envelope, method: Method) -> dict[str, Any]:
    """The arguments the method knows, as its types; unknown ones (a newer caller) are left out."""
    try:
        given = orjson.loads(envelope.payload)
    except orjson.JSONDecodeError:
        given = None
    if not isinstance(given, dict):
        raise RpcError(f"{envelope.name} was sent something that is not a JSON object.")
    arguments = {}
    for name, adapter in method.args.items():
        if name in given:
            try:
                arguments[name] = adapter.validate_python(given[name])
            except ValidationError as error:
                raise _bad(name, envelope.name, error) from error
        elif name not in method.defaults:
            raise RpcError(f"{envelope.name} was sent without its argument {name}.")
    return arguments


def _bad(argument: str, method: str, error: ValidationError) -> RpcError:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(map(str, (argument, *first["loc"])))
    return RpcError(f"{method} was sent a bad {where}: {first['msg']}.")
