"""What operators set of a host by the Placement API, over what the host itself reports.

`hosts.overrides` is {"traits": added ones, "inventory": {class: {"reserved", "allocation_ratio"}}, "own": what the host
reported of the columns that are overridden}. It wins over every report until it is taken back; the columns that
claims and schedulers read already hold the outcome.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from novalite.db.capacity import RATIOS
from novalite.objects.placement import NATIVE

COLUMNS = {
    name: {"reserved": f"reserved_{resource}", "allocation_ratio": RATIOS[resource][0]}
    for name, resource in NATIVE.items()
}
"""By resource class: field of an inventory to the column of `hosts`."""
OWN = ("traits", *(column for columns in COLUMNS.values() for column in columns.values()))
"""Columns that can be overridden."""


def over(overrides: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Values of all columns of OWN and of `overrides` for a host that reports `own` of them."""
    values: dict[str, Any] = {name: own[name] for name in OWN}
    values["traits"] = sorted({*own["traits"], *overrides.get("traits", ())})
    for name, fields in overrides.get("inventory", {}).items():
        for field, value in fields.items():
            values[COLUMNS[name][field]] = value
    kept = {key: overrides[key] for key in ("traits", "inventory") if overrides.get(key)}
    reported = {name: list(own[name]) if name == "traits" else own[name] for name in OWN}
    return {**values, "overrides": {**kept, "own": reported} if kept else None}


def own_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """What the host itself says of the columns of OWN, given its row."""
    if row["overrides"]:
        found: dict[str, Any] = row["overrides"]["own"]
        return found
    return {name: row[name] for name in OWN}
