"""Ask other daemons through objects of the contract's own type.

    flavors = Client(bus).of(Flavors)
    flavors.show(ctx, "m1.small")            # a call: waits, answers, raises what the server raised
    Client(bus).of(Guests, host="node1").spawn(ctx, work)   # a cast to one host
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar, cast

from novalite.context import Context
from novalite.rpc.bus import Bus, Envelope
from novalite.rpc.contracts.base import Contract, Kind, Method
from novalite.rpc.dispatch import read_answer, to_json

C = TypeVar("C", bound=Contract)


class Client:
    """Typed access to every daemon behind one bus. Thread-safe, cheap to make."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self._made: dict[tuple[type[Contract], str | None, float | None], Contract] = {}

    def of(self, contract: type[C], host: str | None = None, timeout: float | None = None) -> C:
        """An object with the contract's methods, sent to the topic or to its server at `host`.

        `timeout` (seconds) replaces the time limit that the contract gives to calls.
        """
        key = (contract, host, timeout)
        made = self._made.get(key)
        if made is None:
            made = _proxy_class(cast(Any, contract))(self.bus, host, timeout)
            if host is None:
                self._made[key] = made  # per-host ones are as many as hosts, and cheap to make again
        return cast(C, made)


@cache
def _proxy_class(contract: Any) -> Any:
    def __init__(self: Any, bus: Bus, host: str | None, timeout: float | None) -> None:
        self._bus, self._host, self._timeout = bus, host, timeout

    body: dict[str, Any] = {name: _sender(contract, m) for name, m in contract.methods.items()}
    return type(f"{contract.__name__}Client", (contract,), {"__init__": __init__, **body})


def _sender(contract: type[Contract], method: Method) -> Callable[..., Any]:
    topic, namespace, version = contract.topic, contract.namespace, contract.version
    kind, names = method.kind, method.names
    known = frozenset(names)
    required = known - method.defaults.keys()

    def send(self: Any, ctx: Context, *args: Any, **kwargs: Any) -> Any:
        given = dict(zip(names, args, strict=False))
        named = given.keys() | kwargs.keys()
        if len(named) < len(args) + len(kwargs) or not required <= named <= known:
            raise TypeError(f"{namespace}.{method.name} takes ({', '.join(names)}), got {args} and {kwargs}")
        payload = to_json(given | kwargs)
        timeout = (self._timeout or method.timeout) if kind is Kind.CALL else 0.0
        envelope = Envelope(kind, topic, self._host, namespace, version, method.name,
                            ctx.model_dump_json(exclude_defaults=True), payload, timeout)
        if kind is Kind.CALL:
            return read_answer(self._bus.call(envelope), method)
        if kind is Kind.CAST:
            return self._bus.cast(envelope)
        return self._bus.fanout(envelope)

    send.__name__, send.__doc__ = method.name, method.stub.__doc__
    return send
