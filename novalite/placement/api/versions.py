"""Microversions of the Placement API: the history as a table, and which one a request asks for."""

from __future__ import annotations

import re

from werkzeug.datastructures import Headers

from novalite.errors import BadRequest, NotAcceptable

HISTORY = {
    0: "Providers, inventories, usages, allocations.",
    1: "Aggregates of providers.",
    2: "Custom resource classes.",
    3: "Providers can be listed by aggregate.",
    4: "Providers can be listed by the resources they have room for.",
    5: "All inventories of a provider can be deleted at once.",
    6: "Traits.",
    7: "A resource class is made or verified by PUT without a body.",
    8: "Allocations name project and user.",
    9: "Usages of a project or user.",
    10: "Allocation candidates.",
    11: "Providers have a link to their allocations.",
    12: "Allocations of a consumer are an object by provider, and tell project and user.",
    13: "Allocations of several consumers can be written at once.",
    14: "Providers have parents and roots.",
    15: "Answers say when something changed last, and are not to be cached.",
    16: "Candidates can be limited.",
    17: "Candidates can be asked for by trait.",
    18: "Providers can be listed by trait.",
    19: "Aggregates of a provider come with its generation.",
    20: "A new provider is answered.",
    21: "Candidates can be asked for by aggregate.",
    22: "Traits can be forbidden.",
    23: "Errors have codes.",
    24: "member_of may be given several times.",
    25: "Candidates can be asked for in numbered groups.",
    26: "All of an inventory may be reserved.",
    27: "Summaries of candidates tell all inventories.",
    28: "Consumers have generations.",
    29: "Candidates may be nested.",
    30: "Inventories and allocations can be moved at once (reshaper).",
    31: "Candidates can be asked for in a tree.",
    32: "Aggregates can be forbidden.",
    33: "Groups may have any suffix.",
    34: "Candidates tell which provider is for which group.",
    35: "Traits can be asked of roots.",
    36: "Groups can be asked for in the same subtree.",
    37: "Providers can be moved in their tree and out of it.",
    38: "Consumers have types.",
    39: "Any of several traits can be asked for.",
}
"""Minor version -> what it changed (Placement API reference)."""
MOST = max(HISTORY)
HEADER = "OpenStack-API-Version"


def text(minor: int) -> str:
    """`1.39` for 39."""
    return f"1.{minor}"


def negotiate(headers: Headers) -> int:
    """The minor version a request asks for, 0 when it asks for none. BadRequest, NotAcceptable."""
    asked = _asked(headers)
    if asked is None:
        return 0
    if asked == "latest":
        return MOST
    form = re.fullmatch(r"([0-9]{1,9})\.([0-9]{1,9})", asked)
    if form is None:
        raise BadRequest(f"invalid version string: {asked[:40]}")
    if form[1] != "1" or int(form[2]) > MOST:
        raise NotAcceptable(f"Unacceptable version header: {asked}. Versions are {text(0)} to {text(MOST)}.")
    return int(form[2])


def _asked(headers: Headers) -> str | None:
    """What the request says about placement; several services may share the header."""
    for line in headers.getlist(HEADER):
        for part in line.split(","):
            service, _, wanted = part.strip().partition(" ")
            if service.lower() == "placement":
                return wanted.strip().lower()
    return None
