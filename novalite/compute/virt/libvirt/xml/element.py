"""Pieces of domain XML as declarations: a field names its place, the class writes and reads itself.

    @element
    class Watchdog(Element):
        tag: ClassVar[str] = "watchdog"
        model: str = at("@model")
        action: str | None = at("@action", default=None)

A place is a path of child tags, ending in `@attribute`, in a tag (its text), or `.` (own text).
A value of None is left out; booleans are yes/no. Defaults are passed by name, as type checkers demand.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from typing import Any, ClassVar, Self, TypeVar, cast, dataclass_transform, get_args, get_type_hints
from xml.etree import ElementTree as ET

T = TypeVar("T")
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def at(path: str, *, default: Any = MISSING) -> Any:
    """A field whose value is the text or attribute at `path`."""
    return field(default=default, metadata={"path": path, "kind": "value"})


def flag(path: str, *, default: bool) -> Any:
    """A boolean that is True when the empty element at `path` is there."""
    return field(default=default, metadata={"path": path, "kind": "flag"})


def child(cls: type[Element], *, default: None) -> Any:
    """One optional element of class `cls`."""
    return field(default=default, metadata={"path": "", "kind": "child", "classes": (cls,)})


def many(path: str, *classes: type[Element], factory: type[list[Any]]) -> Any:
    """A list of elements of these classes below `path` ("" for directly below)."""
    return field(default_factory=factory, metadata={"path": path, "kind": "many", "classes": classes})


@dataclass_transform(kw_only_default=True, field_specifiers=(at, flag, child, many))
def element(cls: type[T]) -> type[T]:
    """Make an Element a dataclass of keyword arguments."""
    return dataclass(kw_only=True)(cls)


class Element:
    """Base of all declarations; `tag` is the name of the XML element."""

    tag: ClassVar[str]

    def build(self) -> ET.Element:
        """The element with everything below it."""
        node = ET.Element(self.tag)
        for item in fields(self):  # type: ignore[arg-type]
            value = getattr(self, item.name)
            if value is not None:
                _write(node, value, item.metadata)
        return node

    def to_xml(self) -> str:
        """Indented text."""
        node = self.build()
        ET.indent(node)
        return ET.tostring(node, encoding="unicode") + "\n"

    @classmethod
    def parse(cls, node: ET.Element) -> Self:
        """The declaration that describes `node`; what it does not know is left out."""
        hints = _hints(cast(Any, cls))
        values: dict[str, Any] = {}
        for item in fields(cls):  # type: ignore[arg-type]
            found = _read(node, item.metadata, hints[item.name])
            if found is not None:
                values[item.name] = found
        return cls(**values)

    @classmethod
    def from_xml(cls, text: str) -> Self:
        """Parse text; ValueError when it is no XML of this kind."""
        try:
            node = ET.fromstring(text)
        except ET.ParseError as error:
            raise ValueError(f"no XML: {error}") from error
        if node.tag != cls.tag:
            raise ValueError(f"<{cls.tag}> was expected, not <{node.tag}>")
        return cls.parse(node)


def _write(node: ET.Element, value: Any, place: Any) -> None:
    path, kind = place["path"], place["kind"]
    if kind == "flag":
        if value:
            _reach(node, path)
    elif kind == "child":
        node.append(value.build())
    elif kind == "many":
        if value:
            parent = _reach(node, path)
            parent.extend(item.build() for item in value)
    else:
        where, is_attribute, name = path.rpartition("@")
        if is_attribute:
            _reach(node, where).set(name, _text(value))
        else:
            _reach(node, path).text = _text(value)


def _reach(node: ET.Element, path: str) -> ET.Element:
    """The element at `path` below `node`, made where missing."""
    for tag in (part for part in path.split("/") if part not in ("", ".")):
        found = node.find(tag)
        node = found if found is not None else ET.SubElement(node, tag)
    return node


def _text(value: Any) -> str:
    """XML text; characters that XML cannot carry (most control characters) become U+FFFD."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return _NOT_XML.sub("\ufffd", str(value))


def _read(node: ET.Element, place: Any, hint: Any) -> Any:
    path, kind = place["path"], place["kind"]
    if kind == "flag":
        return node.find(path) is not None
    if kind in ("child", "many"):
        found = _children(node.find(path) if path else node, place["classes"])
        return found if kind == "many" else next(iter(found), None)
    where, is_attribute, name = path.rpartition("@")
    if is_attribute:
        holder = node.find(where.rstrip("/")) if where else node
        raw = holder.get(name) if holder is not None else None
    else:
        raw = node.text if path == "." else node.findtext(path)
    return None if raw is None else _value(raw, hint)


def _children(parent: ET.Element | None, classes: Sequence[type[Element]]) -> list[Element]:
    by_tag = {cls.tag: cls for cls in classes}
    return [by_tag[node.tag].parse(node) for node in (() if parent is None else parent) if node.tag in by_tag]


def _value(raw: str, hint: Any) -> Any:
    kinds = [kind for kind in get_args(hint) if kind is not type(None)] or [hint]
    if kinds[0] is bool:
        return raw == "yes"
    return int(raw) if kinds[0] is int else raw


@cache
def _hints(cls: type[Any]) -> dict[str, Any]:
    return get_type_hints(cls)
