"""Who may do what: rows of the policies tables, checked by oslo.policy, overridable in policy.yaml."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from flask import g
from oslo_config import cfg

from novalite.api.runtime import runtime
from novalite.context import Context
from novalite.errors import PolicyNotAuthorized
from novalite.late import import_late

import_late("oslo_utils.strutils")  # 425 regular expressions, for what oslo.policy logs when it debugs
import_late("yaml")  # for clouds that have a policy.yaml

from oslo_policy import _checks  # noqa: E402
from oslo_policy import policy as oslo  # noqa: E402

_IMPLIED = {"admin": "manager", "manager": "member", "member": "reader"}
_REMEMBER_SECONDS = 2.0
"""How long an answer is kept, and so how late a changed policy.yaml is noticed."""
_REMEMBER_MOST = 20_000
_TARGET_FACT = re.compile(r"%\((?!project_id\))\w+\)s")
_REFERENCE = re.compile(r"rule:([\w:.-]+)")
_TARGET_DECIDES = re.compile(r"\bnot\b|https?:")
"""Checks that may fail for one target although they pass for none."""


def _load_checks_late() -> None:
    """oslo.policy loads every installed kind of check before it reads the first rule, and with `http:` the whole of
    `requests`, which takes longer than our rules do. Here a kind is loaded by the first rule that uses it."""
    if _checks.extension_checks is None:
        found = entry_points(group="oslo.policy.rule_checks")
        _checks.extension_checks = {one.name: partial(_loaded, one) for one in found}


def _loaded(entry: EntryPoint, kind: str, match: str) -> Any:
    return entry.load()(kind, match)


@dataclass(frozen=True)
class Rule:
    """One row: its published name, the default check, what it is for, and the routes it guards.

    `operations` holds lines such as "GET /servers"; a rule without any is a building block.
    """

    name: str
    check: str
    description: str
    operations: tuple[str, ...] = ()


class Policy:
    """The rules of this API and the answers they gave lately. Safe to use from many threads."""

    def __init__(self, conf: cfg.ConfigOpts, rules: Iterable[Rule]) -> None:
        _load_checks_late()
        self._enforcer = oslo.Enforcer(conf)
        self._enforcer.suppress_deprecation_warnings = True
        self._enforcer.register_defaults([_default(rule) for rule in rules])
        self._enforcer.load_rules()
        self._lock = threading.Lock()
        self._answers: dict[tuple[Any, ...], bool] = {}
        self._forget_at = 0.0

    def allows(self, rule: str, ctx: Context, target: Mapping[str, Any] | None = None) -> bool:
        """Whether `ctx` passes `rule` for `target` (None: something of its own project)."""
        facts = target if target is not None else {"project_id": ctx.project_id, "user_id": ctx.user_id}
        who = (ctx.user_id, ctx.project_id, ctx.domain_id, ctx.system_scope, ctx.roles)
        key = (rule, who, *sorted((k, v) for k, v in facts.items() if isinstance(v, str)))
        answers = self._recent()
        if (known := answers.get(key)) is not None:
            return known
        answer = bool(self._enforcer.enforce(rule, dict(facts), _credentials(ctx)))
        if len(answers) < _REMEMBER_MOST:
            answers[key] = answer
        return answer

    def looks_at_target(self, rule: str) -> bool:
        """Whether `rule`, as overridden, reads more of the target than its project."""
        return self._mentions(rule, _TARGET_FACT)

    def passes_anyway(self, rule: str, ctx: Context) -> bool:
        """Whether `ctx` passes `rule` whatever the target is: it passes without any fact of one, and nothing in the
        rule, as overridden, could be undone by a fact."""
        return self.allows(rule, ctx, {}) and not self._mentions(rule, _TARGET_DECIDES)

    def _mentions(self, rule: str, what: re.Pattern[str]) -> bool:
        """Whether a rule, or one that it refers to, has such a piece."""
        answers, key = self._recent(), (what.pattern, rule)
        if key not in answers:
            answers[key] = self._search(rule, what)
        return answers[key]

    def _search(self, rule: str, what: re.Pattern[str]) -> bool:
        seen: set[str] = set()
        todo = [rule]
        while todo:
            name = todo.pop()
            if name in seen:
                continue
            seen.add(name)
            check = str(self._enforcer.rules.get(name, ""))
            if what.search(check):
                return True
            todo += _REFERENCE.findall(check)
        return False

    def _recent(self) -> dict[tuple[Any, ...], bool]:
        """The answers remembered; every few seconds they are dropped and the file is looked at."""
        now = time.monotonic()
        if now >= self._forget_at:
            with self._lock:
                if now >= self._forget_at:
                    self._enforcer.load_rules()
                    self._answers = {}
                    self._forget_at = now + _REMEMBER_SECONDS
        return self._answers


def _default(rule: Rule) -> oslo.RuleDefault:
    if not rule.operations:
        return oslo.RuleDefault(rule.name, rule.check, rule.description)
    lines = [line.split(" ", 1) for line in rule.operations]
    return oslo.DocumentedRuleDefault(
        rule.name, rule.check, rule.description, [{"method": method, "path": path} for method, path in lines]
    )


def _credentials(ctx: Context) -> dict[str, Any]:
    """What checks may look at; roles bring those they imply: admin, manager, member, reader."""
    roles = list(ctx.roles)
    for role in roles:  # grows while it is walked: each role brings the next one
        if (implied := _IMPLIED.get(role.lower())) and implied not in roles:
            roles.append(implied)
    facts = {
        "user_id": ctx.user_id,
        "project_id": ctx.project_id,
        "project_domain_id": ctx.project_domain_id,
        "domain_id": ctx.domain_id,
        "system_scope": ctx.system_scope,
        "roles": roles,
        "is_admin": ctx.is_admin,
    }
    # A check compares as text: without this, a token of no project would own what belongs to no project.
    return {name: value for name, value in facts.items() if value is not None}


def authorize(rule: str, target: Mapping[str, Any] | None = None) -> None:
    """Raise PolicyNotAuthorized unless the current caller passes `rule`.

    `target` is a record with `project_id` and `user_id`; None means something of the caller's project.
    """
    if not allowed(rule, target):
        raise PolicyNotAuthorized(rule=rule)


def allowed(rule: str, target: Mapping[str, Any] | None = None) -> bool:
    """Whether the current caller passes `rule`."""
    return runtime().policy.allows(rule, g.ctx, target)
