"""`novalite server explain` and `novalite schedule`: why servers are where they are, and where new ones would go."""

from __future__ import annotations

from typing import Any

import click

from novalite.cli.client import Session

COLUMNS = ("host", "rank", "weight", "refused by", "reason")


def ask(session: Session, method: str, path: str, **body: Any) -> dict[str, Any]:
    """The placement_decision that the cloud answers; its error when it does not."""
    from openstack import exceptions

    reply = getattr(session.cloud.compute, method)(path, **body)
    exceptions.raise_from_response(reply)
    found: dict[str, Any] = reply.json()["placement_decision"]
    return found


def tell(session: Session, found: dict[str, Any], first: dict[str, Any]) -> None:
    """Print a decision: what it comes to, then (for administrators) host by host."""
    output = session.output
    if output.form == "json":
        output.record(found)
        return
    refused = ", ".join(f"{name}: {number}" for name, number in found["refused"].items()) or "none"
    output.record(
        {**first, "considered": found["considered"], "refused": refused, "nearly": " ".join(found["nearly"]) or "-"}
    )
    if found.get("hosts"):
        output.rows(COLUMNS, [_row(one) for one in found["hosts"]])


def _row(one: dict[str, Any]) -> list[Any]:
    if one["rank"] is None:
        return [one["host"], "-", "-", one["refused_by"], one["reason"]]
    parts = " ".join(f"{name.removesuffix('Weigher')} {value:+.3f}" for name, value in one["weights"].items() if value)
    return [one["host"], one["rank"], f"{one['weight']:.3f}", "-", parts or "-"]


@click.command("explain")
@click.argument("server")
@click.pass_obj
def explain(session: Session, server: str) -> None:
    """Why SERVER is where it is, or nowhere: the last decision, with hosts for administrators."""
    found_server = session.find("server", session.cloud.compute.find_server, server)
    found = ask(session, "get", f"/servers/{found_server.id}/os-placement-decision")
    first = {"action": found["action"], "made": found["made_at"], "placed": "yes" if found["placed"] else "no"}
    if "host" in found:
        first["host"] = found["host"] or "-"
    tell(session, found, first)


@click.command("schedule")
@click.option("--dry-run", is_flag=True, required=True, help="Say where servers would go; nothing else is offered.")
@click.option("--flavor", required=True, help="Name or id.")
@click.option("--image", required=True, help="Name or id.")
@click.option("--zone", help="Availability zone.")
@click.option("--hint", "hints", multiple=True, metavar="KEY=VALUE", help="Scheduler hint (repeatable).")
@click.option("--count", default=1, show_default=True, type=click.IntRange(1, 1000), help="How many.")
@click.pass_obj
def schedule(session: Session, dry_run: bool, flavor: str, image: str, zone: str | None, hints: tuple[str, ...],
             count: int) -> None:  # fmt: skip
    """Where servers like this would go, how many would fit, and what would have to be otherwise."""
    cloud = session.cloud
    server: dict[str, Any] = {
        "name": "dry-run",
        "flavorRef": session.find("flavor", cloud.compute.find_flavor, flavor).id,
        "imageRef": session.find("image", cloud.image.find_image, image).id,
        "networks": "none",
    }
    if zone:
        server["availability_zone"] = zone
    body: dict[str, Any] = {"server": server, "count": count}
    for text in hints:
        key, sign, value = text.partition("=")
        if not sign or not key:
            raise click.BadParameter(f"{text!r} is not KEY=VALUE", param_hint="--hint")
        body.setdefault("os:scheduler_hints", {})[key] = value
    found = ask(session, "post", "/os-placement-decisions", json=body, microversion="2.37")
    most = "at least " if found["fits"] >= found["fits_counted_to"] else ""
    fits = f"{most}{found['fits']} of this kind, {count} asked for"
    tell(session, found, {"fits": fits, "hosts that would do": found["passed"]})
