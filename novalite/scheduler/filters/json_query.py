"""The hint query: a condition over properties of hosts, written as JSON by the user."""

from __future__ import annotations

import json
import operator
from functools import reduce
from typing import Any

import numpy as np

from novalite.objects.hosts import HostRow
from novalite.objects.scheduling import RequestSpec
from novalite.scheduler.columns import CODED, COLUMNS, Hosts, Mask
from novalite.scheduler.filters.compute_capabilities import NUMBERS
from novalite.scheduler.store import Store

MOST_PARTS = 100
"""Parts of one query, so that nobody keeps the table locked by a long one."""


class JsonFilter:
    """Hosts for which a query such as ["and", [">=", "$free_ram_mb", 1024], ["=", "$zone", "east"]] is true.

    Operators: =, <, >, <=, >=, in (all: the first operand against each of the others), not, or, and. `$name` is a
    property of the host: a column of hosts, or host, node, zone, hypervisor_type, free_disk_mb. A query that
    cannot be read is true for no host.
    """

    def __init__(self, conf: Any) -> None:
        pass

    def passes(self, hosts: Hosts, spec: RequestSpec) -> Mask:
        if "query" not in spec.hints:
            return True
        try:
            answer = _Query(hosts).truth(parse(spec.hints["query"]))
        except BadQuery:
            return np.zeros(len(hosts), dtype=bool)
        return np.broadcast_to(answer, (len(hosts),))

    def why(self, host: HostRow, spec: RequestSpec) -> str:
        try:
            query = parse(spec.hints["query"])
            _Query(Hosts(Store([host]), 0.0)).truth(query)
        except BadQuery as error:
            return f"the hint query cannot be read: {error}"
        return f"does not meet the hint query {json.dumps(query)}"


class BadQuery(ValueError):
    """The query makes no sense."""


def parse(hint: Any) -> Any:
    """The query as lists; a text, or a list with one text, holds JSON. Raises BadQuery."""
    if isinstance(hint, list) and len(hint) == 1 and isinstance(hint[0], str):
        hint = hint[0]
    if isinstance(hint, str):
        try:
            hint = json.loads(hint)
        except ValueError as error:
            raise BadQuery("it is not JSON") from error
    return hint


_COMPARISONS = {"=": operator.eq, "<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge}


class _Query:
    """One query over all hosts."""

    def __init__(self, hosts: Hosts) -> None:
        self.hosts, self.parts = hosts, 0

    def truth(self, query: Any) -> Any:
        """One bool per host, or one for all."""
        self.parts += 1
        if self.parts > MOST_PARTS:
            raise BadQuery(f"it has more than {MOST_PARTS} parts")
        if isinstance(query, bool):
            return query
        if not isinstance(query, list) or not query or not isinstance(query[0], str):
            raise BadQuery(f"{json.dumps(query)[:80]} is no list of an operator and its operands")
        name, *operands = query
        if name in ("and", "or"):
            join = np.logical_and if name == "and" else np.logical_or
            return reduce(join, (self.truth(one) for one in operands), name == "and")
        if name == "not":
            return np.logical_not(reduce(np.logical_or, (self.truth(one) for one in operands), False))
        if name not in (*_COMPARISONS, "in"):
            raise BadQuery(f"there is no operator {name[:40]}")
        if len(operands) < 2:
            raise BadQuery(f"{name} needs two operands")
        first, *others = (self.value(one) for one in operands)
        if name == "in":
            return reduce(np.logical_or, (_compare(operator.eq, first, other) for other in others))
        return reduce(np.logical_and, (_compare(_COMPARISONS[name], first, other) for other in others))

    def value(self, operand: Any) -> Any:
        """A number or a text, or one for each host."""
        if not isinstance(operand, str) or not operand.startswith("$"):
            if not isinstance(operand, str | int | float):
                raise BadQuery(f"{json.dumps(operand)[:80]} is neither a number nor a text")
            return operand
        hosts, name = self.hosts, operand[1:]
        if name in ("host", "node", "hypervisor_hostname"):
            of = hosts.name if name == "host" else hosts.node
            return np.array([of(at) for at in range(len(hosts))], dtype=object)
        if name in ("zone", "hypervisor_type"):
            return np.array([hosts.words_of(name, at) for at in range(len(hosts))], dtype=object)
        if name == "free_disk_mb":
            return hosts.free_disk_gb * 1024
        column = NUMBERS.get(name, name)
        if column not in COLUMNS or column in CODED:
            raise BadQuery(f"hosts have no property {name[:40]}")
        return getattr(hosts, column)


def _compare(sign: Any, first: Any, other: Any) -> Any:
    try:
        return sign(first, other)
    except TypeError as error:
        raise BadQuery("a text is compared with a number") from error
