"""How a contract is written: one class per noun, one decorated stub per method.

    class Flavors(Contract, topic="conductor", namespace="flavors", version="1.0"):
        @call(timeout=30)
        def show(self, ctx: Context, flavor_id: str) -> Record: ...

The stub's annotations are the wire format. A server subclasses the contract and fills the methods
in; a client gets an object of the same type from `rpc.client.Client.of`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from inspect import signature
from types import UnionType
from typing import Any, ClassVar, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter

F = TypeVar("F", bound=Callable[..., Any])


class Kind(Enum):
    """How a method is sent: awaited by the caller, handed to one server, or told to all."""

    CALL = "call"
    CAST = "cast"
    FANOUT = "fanout"


@dataclass
class Method:
    """One method of a contract: how it is sent and what it carries. `timeout` in seconds."""

    name: str
    kind: Kind
    timeout: float
    stub: Callable[..., Any] = field(repr=False)

    @cached_property
    def _hints(self) -> dict[str, Any]:
        return get_type_hints(self.stub)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Argument names in order, without `self` and `ctx`."""
        return tuple(signature(self.stub).parameters)[2:]

    @cached_property
    def args(self) -> dict[str, TypeAdapter[Any]]:
        """Adapter by argument name, without `self` and `ctx`, in order."""
        return {name: TypeAdapter(self._hints[name]) for name in self.names}

    @cached_property
    def defaults(self) -> dict[str, Any]:
        """Default by argument name, for arguments that have one."""
        params = signature(self.stub).parameters.values()
        return {p.name: p.default for p in params if p.default is not p.empty}

    @cached_property
    def returns(self) -> TypeAdapter[Any]:
        """Adapter of the answer."""
        return TypeAdapter(self._hints.get("return", type(None)))

    @cached_property
    def answers_plainly(self) -> bool:
        """True when the answer is the same in JSON and in Python, so the caller need not validate it."""
        return _is_plain(self._hints.get("return", type(None)))


def _is_plain(hint: Any) -> bool:
    hint = getattr(hint, "__supertype__", hint)  # NewType
    if hint in (Any, str, int, float, bool, type(None)):
        return True
    container, parts = get_origin(hint) or hint, get_args(hint)
    if container is dict and parts and parts[0] is not str:
        return False  # JSON knows no other keys
    return container in (list, dict, Union, UnionType) and all(_is_plain(part) for part in parts)


def _mark(kind: Kind, timeout: float) -> Callable[[F], F]:
    def decorate(stub: F) -> F:
        stub.__novalite_method__ = Method(stub.__name__, kind, timeout, stub)  # type: ignore[attr-defined]
        return stub

    return decorate


def call(timeout: float = 30.0) -> Callable[[F], F]:
    """A method whose answer the caller waits for, at most `timeout` seconds."""
    return _mark(Kind.CALL, timeout)


def cast() -> Callable[[F], F]:
    """A method handed to one server of the topic; nobody waits."""
    return _mark(Kind.CAST, 0.0)


def fanout() -> Callable[[F], F]:
    """A method told to every server of the topic; nobody waits."""
    return _mark(Kind.FANOUT, 0.0)


class Contract:
    """Base of all contracts; subclass with `topic`, `namespace` and `version` ("major.minor").

    A server answers callers of the same major and of the same or a lower minor version.
    """

    topic: ClassVar[str]
    namespace: ClassVar[str]
    version: ClassVar[str]
    methods: ClassVar[dict[str, Method]]

    def __init_subclass__(
        cls, topic: str = "", namespace: str = "", version: str = "", **kwargs: Any
    ) -> None:
        super().__init_subclass__(**kwargs)
        if not topic:
            return  # an implementation: it keeps the contract of its base
        cls.topic, cls.namespace, cls.version = topic, namespace, version
        cls.methods = {
            name: stub.__novalite_method__
            for name, stub in vars(cls).items()
            if hasattr(stub, "__novalite_method__")
        }
