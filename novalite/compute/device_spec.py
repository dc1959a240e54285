"""Which of a host's PCI devices may be given to guests: `[pci] device_spec`, read and matched. Pure.

Source: public documentation, configuration option `[pci] device_spec` and "Attaching physical PCI devices to guests".
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from novalite.errors import ConfigError
from novalite.objects.pci import PciDevice

LIMITS = {"domain": 0xFFFF, "bus": 0xFF, "slot": 0x1F, "function": 0x7}
"""Parts of an address, and the largest of each."""
_WIDTH = {"domain": 4, "bus": 2, "slot": 2, "function": 1}
_ADDRESS = re.compile(r"(?:([0-9a-fA-F]*|\*):)?([0-9a-fA-F]*|\*):([0-9a-fA-F]*|\*)\.([0-9a-fA-F]*|\*)")
_ID = re.compile(r"[0-9a-fA-F]{4}|\*")
_KEYS = {"vendor_id", "product_id", "address", "devname", "physical_network", "trusted", "managed"}
_YES = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


class _Bad(ValueError):
    pass


class Wish(NamedTuple):
    """One line: a test of a device, its parent's interface told, and what it says of those that pass."""

    test: Callable[[PciDevice, str | None], bool]
    says: dict[str, Any]


def parse(lines: Sequence[str]) -> list[Wish]:
    """Every line of the option. Raises ConfigError with the line and what is wrong with it."""
    found = []
    for line in lines:
        try:
            said = json.loads(line)
            for one in said if isinstance(said, list) else [said]:
                found.append(_wish(one))
        except (ValueError, TypeError, re.error) as error:
            raise ConfigError(reason=f"[pci] device_spec = {line}: {error}") from error
    return found


class Offer:
    """What a host offers. It remembers the interface that it had of a device, which is not the host's while a guest has
    the device, and yet may be what chose it."""

    def __init__(self, lines: Sequence[str]) -> None:
        """Raises ConfigError."""
        self._wishes = parse(lines)
        self._interfaces: dict[str, str] = {}

    def of(self, devices: Iterable[PciDevice]) -> tuple[PciDevice, ...]:
        """Those that may be given, by address, with what their lines say of them; the first line that matches
        counts."""
        found = sorted(devices, key=lambda one: one.address)
        self._interfaces |= {one.address: one.interface for one in found if one.interface}
        chosen = []
        for one in found:
            seen = one.model_copy(update={"interface": self._interfaces.get(one.address)})
            above = self._interfaces.get(one.parent or "")
            wish = next((wish for wish in self._wishes if wish.test(seen, above)), None)
            if wish is not None:
                chosen.append(one.model_copy(update=wish.says))
        return tuple(chosen)


def _wish(said: Any) -> Wish:
    if not isinstance(said, dict):
        raise _Bad("it must be a JSON object")
    for key in said.keys() - _KEYS:
        raise _Bad(f"there is no key {key}; those that are: {', '.join(sorted(_KEYS))}")
    if "address" in said and "devname" in said:
        raise _Bad("address and devname exclude each other")
    if not said.keys() & {"vendor_id", "product_id", "address", "devname"}:
        raise _Bad("it must choose by vendor_id, product_id, address or devname")
    for key in ("devname", "physical_network"):
        if key in said and not (isinstance(said[key], str) and said[key]):
            raise _Bad(f"{key} must be text")
    tests = [_of_id(key, said[key]) for key in ("vendor_id", "product_id") if key in said]
    if "address" in said:
        tests.append(_of_address(said["address"]))
    if "devname" in said:
        tests.append(lambda device, above: said["devname"] in (device.interface, above))
    says: dict[str, Any] = {key: _flag(key, said[key]) for key in ("trusted", "managed") if key in said}
    says |= {key: said[key] for key in ("physical_network",) if key in said}
    return Wish(lambda device, above: all(test(device, above) for test in tests), says)


def _flag(key: str, value: Any) -> bool:
    found = _YES.get(str(value).lower())
    if found is None:
        raise _Bad(f"{key} must be yes or no")
    return found


def _of_id(key: str, value: Any) -> Callable[[PciDevice, str | None], bool]:
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise _Bad(f"{key} must be four hexadecimal digits, or *")
    return lambda device, above: value == "*" or getattr(device, key) == value.lower()


def _of_address(value: Any) -> Callable[[PciDevice, str | None], bool]:
    """An address that names one device stands for the parts of that device too."""
    if isinstance(value, dict):
        for part in value.keys() - LIMITS.keys():
            raise _Bad(f"an address has no part {part}, but {', '.join(LIMITS)}")
        patterns = {part: re.compile(str(text), re.IGNORECASE) for part, text in value.items()}
        return lambda device, above: all(
            patterns[part].fullmatch(found) for part, found in _parts(device.address).items() if part in patterns
        )
    match = _ADDRESS.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise _Bad("address must be domain:bus:slot.function in hexadecimal digits, each part of which may be *")
    said = {part: text for part, text in zip(LIMITS, match.groups(), strict=True) if text not in ("*", "", None)}
    wanted = {part: _digits(part, text) for part, text in said.items()}
    whole = len(wanted) == len(LIMITS)

    def test(device: PciDevice, above: str | None) -> bool:
        addresses = [device.address, *([device.parent] if whole and device.parent else [])]
        return any(wanted.items() <= _parts(address).items() for address in addresses)

    return test


def _digits(part: str, text: str) -> str:
    if int(text, 16) > LIMITS[part]:
        raise _Bad(f"the {part} of an address is at most {LIMITS[part]:x}")
    return f"{int(text, 16):0{_WIDTH[part]}x}"


def _parts(address: str) -> dict[str, str]:
    domain, bus, rest = address.split(":")
    slot, function = rest.split(".")
    return {"domain": domain, "bus": bus, "slot": slot, "function": function}
