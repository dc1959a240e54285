"""`novalite server …`"""

from __future__ import annotations

from typing import Any

import click

from novalite.cli.client import Session

WAIT = [
    click.option("--wait", is_flag=True, help="Wait for the end, showing progress."),
    click.option("--timeout", default=600.0, show_default=True, help="Seconds to wait."),
]
SETTLED = ("ACTIVE", "SHUTOFF", "PAUSED", "SUSPENDED", "ERROR", "DELETED")

POWER = {0: "unknown", 1: "running", 3: "paused", 4: "shut down", 6: "crashed", 7: "suspended"}
"""Power states by number (API reference: OS-EXT-STS:power_state)."""


def waiting(command: Any) -> Any:
    """Adds --wait and --timeout."""
    for option in reversed(WAIT):
        command = option(command)
    return command


@click.group()
def server() -> None:
    """Create, look at and change servers."""


def _fields(found: Any) -> dict[str, Any]:
    flavor = found.flavor or {}
    fault = getattr(found, "fault", None) or {}
    return {
        "id": found.id,
        "name": found.name,
        "status": found.status,
        "task": found.task_state,
        "power": POWER.get(found.power_state, found.power_state),
        "flavor": flavor.get("original_name") or flavor.get("name") or flavor.get("id"),
        "image": (found.image or {}).get("id"),
        "addresses": {n: [a["addr"] for a in addresses] for n, addresses in (found.addresses or {}).items()},
        "host": found.compute_host or found.host_id,
        "zone": found.availability_zone,
        "key": found.key_name,
        "created": found.created_at,
        "launched": found.launched_at,
        "metadata": dict(found.metadata or {}),
        "fault": fault.get("message"),
    }


@server.command("create")
@click.argument("name")
@click.option("--flavor", required=True, help="Name or id.")
@click.option("--image", required=True, help="Name or id.")
@click.option("--key-name", help="Keypair whose public key the guest gets.")
@click.option(
    "--network", "networks", multiple=True, metavar="NETWORK",
    help="`none` (as without), `auto`, or a network's name or id (repeatable).",
)
@click.option("--port", "ports", multiple=True, help="A port to plug in, by name or id (repeatable).")
@click.option("--security-group", "groups", multiple=True, help="Of new ports, by name or id (repeatable).")
@click.option("--zone", help="Availability zone.")
@click.option("--property", "properties", multiple=True, metavar="KEY=VALUE", help="Metadata (repeatable).")
@click.option("--user-data", type=click.File("rb"), help="File handed to the guest.")
@click.option("--config-drive", is_flag=True, help="Let the guest read about itself on a drive, also without networks.")
@click.option("--count", default=1, show_default=True, type=click.IntRange(1, 1000), help="How many.")
@waiting
@click.pass_obj
def create(session: Session, name: str, wait: bool, timeout: float, **options: Any) -> None:
    """Create a server called NAME."""
    import base64

    cloud = session.cloud
    flavor = session.find("flavor", cloud.compute.find_flavor, options["flavor"])
    image = session.find("image", cloud.image.find_image, options["image"])
    body: dict[str, Any] = {"name": name, "flavor_id": flavor.id, "image_id": image.id}
    body["networks"] = _networks(session, options["networks"], options["ports"])
    if options["groups"]:
        body["security_groups"] = [{"name": name} for name in options["groups"]]
    if options["key_name"]:
        body["key_name"] = options["key_name"]
    if options["zone"]:
        body["availability_zone"] = options["zone"]
    if options["properties"]:
        body["metadata"] = dict(_pair(text) for text in options["properties"])
    if options["user_data"]:
        body["user_data"] = base64.b64encode(options["user_data"].read()).decode()
    if options["config_drive"]:
        body["config_drive"] = True
    if options["count"] > 1:
        body |= {"min_count": options["count"], "max_count": options["count"]}
    made = cloud.compute.create_server(**body)
    if wait:
        made = _until(session, made, ("ACTIVE", "ERROR"), timeout)
    else:
        made = cloud.compute.get_server(made.id)
    session.output.record(_fields(made))
    if wait and made.status == "ERROR":
        raise click.ClickException(f"Server {name} could not be built: {(made.fault or {}).get('message')}")


def _networks(session: Session, networks: tuple[str, ...], ports: tuple[str, ...]) -> Any:
    """`none`, `auto`, or an interface for each network and then for each port."""
    words = [name for name in networks if name in ("none", "auto")]
    if words and (len(networks) > 1 or ports):
        raise click.BadParameter(f"{words[0]} stands alone", param_hint="--network")
    if words:
        return words[0]
    find, cloud = session.find, session.cloud.network
    wanted = [{"uuid": find("network", cloud.find_network, name).id} for name in networks]
    wanted += [{"port": find("port", cloud.find_port, name).id} for name in ports]
    return wanted or "none"


def _pair(text: str) -> tuple[str, str]:
    key, sign, value = text.partition("=")
    if not sign or not key:
        raise click.BadParameter(f"{text!r} is not KEY=VALUE", param_hint="--property")
    return key, value


def _until(session: Session, found: Any, statuses: tuple[str, ...], timeout: float) -> Any:
    """Wait until the server shows one of the statuses and nothing is being done to it."""
    latest = [found]

    def look() -> tuple[str, bool]:
        latest[0] = session.cloud.compute.get_server(found.id)
        now = latest[0]
        busy = f" ({now.task_state})" if now.task_state else ""
        return f"{now.status}{busy}", now.status in statuses and not now.task_state

    session.wait(found.name or found.id, look, timeout)
    return latest[0]


@server.command("list")
@click.option("--all-projects", is_flag=True, help="Of every project (administrators).")
@click.option("--status", help="Only with this status.")
@click.option("--name", help="Only with names that match this regular expression.")
@click.option("--limit", type=click.IntRange(1), help="At most so many.")
@click.pass_obj
def list_(session: Session, all_projects: bool, limit: int | None, **filters: str | None) -> None:
    """List servers, newest first."""
    query: dict[str, Any] = {k: v for k, v in filters.items() if v}
    if limit:
        query |= {"limit": min(limit, 1000)}
    found = session.cloud.compute.servers(details=True, all_projects=all_projects, **query)
    rows = []
    for one in found:
        fields = _fields(one)
        rows.append([fields[k] for k in ("id", "name", "status", "task", "flavor", "host", "created")])
        if limit and len(rows) == limit:
            break
    session.output.rows(("id", "name", "status", "task", "flavor", "host", "created"), rows)


@server.command("show")
@click.argument("server")
@click.option("--actions", is_flag=True, help="Also what was done to it, with the steps.")
@click.pass_obj
def show(session: Session, server: str, actions: bool) -> None:
    """Show one SERVER, by name or id."""
    found = session.find("server", session.cloud.compute.find_server, server)
    session.output.record(_fields(session.cloud.compute.get_server(found.id)))
    if actions:
        session.output.rows(("action", "request", "step", "host", "result", "started", "finished"),
                            _steps(session, found.id))  # fmt: skip


def _steps(session: Session, server_id: str) -> list[list[Any]]:
    rows = []
    compute = session.cloud.compute
    for action in compute.server_actions(server_id):
        whole = compute.get_server_action(action.request_id, server_id)
        for event in reversed(whole.events or []):
            host = getattr(event, "host", None)
            rows.append([action.action, action.request_id, event.event, host, event.result, event.start_time,
                         event.finish_time])  # fmt: skip
    return rows


@server.command("delete")
@click.argument("servers", nargs=-1, required=True)
@waiting
@click.pass_obj
def delete(session: Session, servers: tuple[str, ...], wait: bool, timeout: float) -> None:
    """Delete SERVERS, by name or id."""
    compute = session.cloud.compute
    gone = [session.find("server", compute.find_server, one) for one in servers]
    for found in gone:
        compute.delete_server(found.id)
    for found in gone if wait else ():

        def look(found: Any = found) -> tuple[str, bool]:
            now = compute.find_server(found.id, ignore_missing=True)
            return ("gone", True) if now is None else (now.status, False)

        session.wait(found.name, look, timeout)
    session.output.say(
        f"{len(gone)} server{'s' if len(gone) != 1 else ''} deleted." if wait else "Deletion begun."
    )


def _act(name: str, method: str, ends_in: tuple[str, ...], about: str) -> None:
    @server.command(name, help=about)
    @click.argument("servers", nargs=-1, required=True)
    @waiting
    @click.pass_obj
    def act(session: Session, servers: tuple[str, ...], wait: bool, timeout: float) -> None:
        compute = session.cloud.compute
        found = [session.find("server", compute.find_server, one) for one in servers]
        for one in found:
            getattr(compute, method)(one.id)
        for one in found if wait else ():
            _until(session, one, ends_in, timeout)


_act("start", "start_server", ("ACTIVE", "ERROR"), "Start SERVERS that are shut off.")
_act("stop", "stop_server", ("SHUTOFF", "ERROR"), "Shut SERVERS down: politely, then by force.")
_act("pause", "pause_server", ("PAUSED", "ERROR"), "Freeze SERVERS in memory.")
_act("unpause", "unpause_server", ("ACTIVE", "ERROR"), "Let paused SERVERS go on.")
_act("suspend", "suspend_server", ("SUSPENDED", "ERROR"), "Save SERVERS to disk and stop them.")
_act("resume", "resume_server", ("ACTIVE", "ERROR"), "Let suspended SERVERS go on.")


@server.command("reboot")
@click.argument("servers", nargs=-1, required=True)
@click.option("--hard", is_flag=True, help="Power off and on, without asking the guest.")
@waiting
@click.pass_obj
def reboot(session: Session, servers: tuple[str, ...], hard: bool, wait: bool, timeout: float) -> None:
    """Reboot SERVERS."""
    compute = session.cloud.compute
    found = [session.find("server", compute.find_server, one) for one in servers]
    for one in found:
        compute.reboot_server(one.id, "HARD" if hard else "SOFT")
    for one in found if wait else ():
        _until(session, one, ("ACTIVE", "ERROR"), timeout)
