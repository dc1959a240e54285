"""`novalite status`: is everything all right?"""

from __future__ import annotations

import click

from novalite.cli.client import Session


@click.command()
@click.pass_obj
def status(session: Session) -> None:
    """Say in a few lines who I am, what runs and what is wrong; exit status 1 when something is."""
    cloud = session.cloud
    project = cloud.current_project
    facts: dict[str, object] = {
        "endpoint": cloud.compute.get_endpoint(),
        "user": cloud.config.auth.get("username"),
        "project": project.name or project.id,
    }
    servers = [one.status for one in cloud.compute.servers(details=True)]
    facts["servers"] = ", ".join(f"{servers.count(s)} {s}" for s in sorted(set(servers))) or "none"
    wrong = [f"{servers.count('ERROR')} servers in ERROR"] if "ERROR" in servers else []
    from openstack.exceptions import ForbiddenException

    try:
        services = list(cloud.compute.services())
    except ForbiddenException:
        facts["services"] = "only administrators may see them"
    else:
        down = [f"{s.binary} on {s.host}" for s in services if s.state != "up"]
        facts["services"] = f"{len(services) - len(down)} of {len(services)} up"
        wrong += [f"{one} is down" for one in down]
    facts["verdict"] = "; ".join(wrong) or "all well"
    session.output.record(facts)
    if wrong:
        raise click.exceptions.Exit(1)
