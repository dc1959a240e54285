"""Names of resource classes and traits: the standard ones of the published libraries, and the form of custom ones."""

from __future__ import annotations

import re
from functools import cache

import os_resource_classes

CUSTOM = re.compile(r"CUSTOM_[A-Z0-9_]+\Z")
"""What operators may name themselves, at most 255 characters."""
STANDARD_CLASSES: tuple[str, ...] = tuple(os_resource_classes.STANDARDS)
"""In their published order."""
_ORDER = {name: number for number, name in enumerate(STANDARD_CLASSES)}


@cache
def standard_traits() -> frozenset[str]:
    """Every trait of os-traits; read once, when somebody asks."""
    import os_traits  # a module for each kind of them

    return frozenset(os_traits.get_traits())


def class_order(name: str) -> tuple[int, str]:
    """Sorts standard classes as they were published, custom ones after them by name."""
    return _ORDER.get(name, len(_ORDER)), name


def is_custom(name: str) -> bool:
    """Whether an operator may make a class or trait of this name."""
    return len(name) <= 255 and bool(CUSTOM.match(name))
