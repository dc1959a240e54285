"""Which PCI devices a flavor asks for, by the aliases of `[pci] alias`: checked before anything changes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, get_args

from oslo_config.cfg import ConfigOpts

from novalite.errors import BadRequest, ConfigError
from novalite.objects.flavors import Flavor
from novalite.objects.numa import GuestTopology
from novalite.objects.pci import ALIAS_SPEC, PLAIN, Kind, PciMatch, PciRequest, Policy

POLICY_SPEC, POLICY_PROPERTY = "hw:pci_numa_affinity_policy", "hw_pci_numa_affinity_policy"
KINDS, POLICIES = get_args(Kind), get_args(Policy)
_KEYS = {"name", "vendor_id", "product_id", "device_type", "numa_policy", "capability_type"}
_ID = re.compile(r"[0-9a-fA-F]{4}")
_ITEM = re.compile(r"([^:,\s]+):(\d{1,6})")
MOST = 1000
"""Devices of one server: more than any machine has, so that a mistyped number costs nothing."""


class _Bad(ValueError):
    pass


@lru_cache(maxsize=16)
def _parsed(lines: tuple[str, ...]) -> dict[str, PciRequest]:
    found: dict[str, PciRequest] = {}
    for line in lines:
        try:
            one = _alias(json.loads(line))
            known = found.get(one.alias)
            if known is not None and known.policy != one.policy:
                raise _Bad(f"alias {one.alias} has two different policies")
        except (ValueError, TypeError) as error:
            raise ConfigError(reason=f"[pci] alias = {line}: {error}") from error
        found[one.alias] = one if known is None else known.model_copy(update={"any_of": known.any_of + one.any_of})
    return found


def _alias(said: Any) -> PciRequest:
    if not isinstance(said, dict):
        raise _Bad("it must be a JSON object")
    for key in said.keys() - _KEYS:
        raise _Bad(f"there is no key {key}; those that are: {', '.join(sorted(_KEYS))}")
    name = said.get("name")
    if not isinstance(name, str) or not re.fullmatch(r"[^:,\s]{1,255}", name):
        raise _Bad("name must be text without blanks, colons and commas")
    for key in ("vendor_id", "product_id"):
        if key in said and not _ID.fullmatch(str(said[key])):
            raise _Bad(f"{key} must be four hexadecimal digits")
    kind, policy = said.get("device_type", PLAIN), said.get("numa_policy", "legacy")
    if kind not in KINDS:
        raise _Bad(f"device_type must be one of {', '.join(KINDS)}")
    if policy not in POLICIES:
        raise _Bad(f"numa_policy must be one of {', '.join(POLICIES)}")
    if said.get("capability_type", "pci") != "pci":
        raise _Bad("capability_type must be pci")
    ids = {key: str(said[key]).lower() for key in ("vendor_id", "product_id") if key in said}
    return PciRequest(alias=name, count=1, any_of=(PciMatch(kind=kind, **ids),), policy=policy)


def aliases(conf: ConfigOpts) -> Mapping[str, PciRequest]:
    """Every alias by name, for one device each. Raises ConfigError for one that makes no sense."""
    return _parsed(tuple(conf.pci.alias))


def requests(conf: ConfigOpts, flavor: Flavor, image_properties: Mapping[str, Any]) -> tuple[PciRequest, ...]:
    """What a server of this flavor and image wants. Raises BadRequest for an alias that is not configured, a number
    that is none, and for policies of flavor and image that contradict each other."""
    text = flavor.extra_specs.get(ALIAS_SPEC)
    if not text:
        return ()
    policy = _policy(flavor, image_properties)
    known, found = aliases(conf), []
    for item in text.split(","):
        said = _ITEM.fullmatch(item.strip())
        if said is None:
            raise BadRequest(f"Extra spec {ALIAS_SPEC} of flavor {flavor.name} must be a list of alias:count.")
        name, count = said[1], int(said[2])
        if name not in known:
            raise BadRequest(f"PCI alias {name} is not defined")
        if count:
            found.append(known[name].model_copy(update={"count": count, **({"policy": policy} if policy else {})}))
    if sum(one.count for one in found) > MOST:
        raise BadRequest(f"A server can have at most {MOST} PCI devices.")
    return tuple(found)


def nearer(found: Sequence[PciRequest], topology: GuestTopology | None) -> tuple[PciRequest, ...]:
    """The same as near as the guest's topology says, which knows hints too (`numaOpts`)."""
    policy = topology.pci if topology is not None else None
    return tuple(one.model_copy(update={"policy": policy}) if policy else one for one in found)


def _policy(flavor: Flavor, image_properties: Mapping[str, Any]) -> str | None:
    """What flavor or image say of nearness; it counts more than what aliases say."""
    by_flavor, by_image = flavor.extra_specs.get(POLICY_SPEC), image_properties.get(POLICY_PROPERTY)
    for source, policy in ((POLICY_SPEC, by_flavor), (POLICY_PROPERTY, by_image)):
        if policy and policy not in POLICIES:
            raise BadRequest(f"{source} must be one of {', '.join(POLICIES)}, not '{str(policy)[:60]}'.")
    if by_flavor and by_image and by_flavor != by_image:
        raise BadRequest(
            f"Image property '{POLICY_PROPERTY}' is not permitted to override the '{POLICY_SPEC}' extra spec "
            "of the flavor."
        )
    return by_flavor or by_image


def wanted(flavors: Sequence[Mapping[str, Any] | None]) -> bool:
    """Whether one of these flavors, as records, asks for devices: others cost no look into the database."""
    return any(flavor and (flavor.get("extra_specs") or {}).get(ALIAS_SPEC) for flavor in flavors)
