"""Real guests read about themselves: one by the metadata service on its network, one by its config drive."""

from __future__ import annotations

import base64
import hashlib
import json
import warnings
from typing import Any

import pytest

from deploy.dev.cloud import Cloud
from deploy.dev.guest import UP, guest_image
from deploy.dev.processes import wait_for
from novalite.networks.on_host.host import obstacle
from tests.real.test_split_networks import BOOT_SECONDS, Guest, leftovers

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import crypt

pytestmark = [
    pytest.mark.real,
    pytest.mark.services,
    pytest.mark.skipif(obstacle() is not None, reason=f"no networks can be made here: {obstacle()}"),
]
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ4ylw8BcZ7AFiRlmHLPH5vv8fbWH0yFn3FxV4J4Dg3y tests"
SCRIPT = b"#!/bin/sh\necho I am $(hostname), and this is my data\n"
AT = "http://169.254.169.254"
META_DATA = f"{AT}/openstack/latest/meta_data.json"
WGET = "timeout 5 wget -q -O - "
TAKE = ("ip addr add {new}/24 dev eth0; ip addr del {old}/24 dev eth0; "
        "ip route replace 169.254.169.254 dev eth0 src {new}")  # fmt: skip


def boot(cloud: Cloud, host: int, name: str, image: str, flavor: str, **more: Any) -> Guest:
    body = {
        "name": name, "imageRef": image, "flavorRef": flavor, "key_name": "tests", "networks": "none",
        "user_data": base64.b64encode(SCRIPT).decode(), "metadata": {"role": name},
        "availability_zone": f"nova:compute-{host}",
        "personality": [{"path": "/etc/welcome", "contents": base64.b64encode(b"well come\n").decode()}], **more,
    }  # fmt: skip
    made = cloud.api.compute("POST", "/servers", {"server": body}, version="2.42")["server"]
    return Guest(cloud, made["id"], host)


def is_configured(guest: Guest, source: str, name: str) -> None:
    """Host name, key, data and file are there, as its console tells, and the agent inside."""
    console = guest.console()
    assert f"{UP} source={source} host={name} keys=1 " in console, console[-800:]
    assert f"novalite-guest: user data: I am {name}, and this is my data" in console, console[-800:]
    assert guest.run("cat /etc/welcome")[1] == "well come\n"
    assert KEY in guest.run("cat /root/.ssh/authorized_keys")[1]


def test_guests_are_configured_by_metadata_and_by_config_drive(split: Cloud) -> None:
    cloud, api = split, split.api
    api.compute("POST", "/os-keypairs", {"keypair": {"name": "tests", "public_key": KEY}})
    flavor = api.flavor("told")
    image = api.upload("told guest", guest_image(), hw_qemu_guest_agent="yes")
    network = api.network("POST", "/networks", {"network": {"name": "told"}})["network"]["id"]
    subnet = {"subnet": {"network_id": network, "ip_version": 4, "cidr": "10.20.40.0/24"}}
    api.network("POST", "/subnets", subnet)
    on_network: dict[str, Any] = {"networks": [{"uuid": network, "tag": "front"}]}
    guests = [
        boot(cloud, 1, "by-metadata", image, flavor, **on_network),
        boot(cloud, 2, "by-drive", image, flavor, config_drive=True, adminPass="Sesame-1"),
    ]
    for guest in guests:
        wait_for(f"guest on host {guest.host}", guest.up, BOOT_SECONDS)
    told, driven = guests
    is_configured(told, "metadata", "by-metadata")
    is_configured(driven, "config-drive", "by-drive")
    assert api.server(driven.id)["config_drive"] == "True"
    assert api.server(told.id)["config_drive"] == ""
    password_opens(driven, "Sesame-1")
    tells_nobody_but_itself(cloud, told, image, flavor, on_network)
    leaves_its_password(cloud, told)
    # the daemon of its host dies, and it is told all the same; back again, it knows its helper
    cloud.kill("compute-1")
    assert metadata(told)["uuid"] == told.id
    cloud.start_member("compute-1")
    wait_for("compute-1 is back", lambda: up(cloud, "compute-1"), 60)
    assert metadata(told)["devices"][0]["tags"] == ["front"]
    # built anew, a guest has a new password on a new drive
    again = {"rebuild": {"imageRef": image, "adminPass": "Sesame-2", "hostname": "by-new-drive"}}
    api.compute("POST", f"/servers/{driven.id}/action", again, version="2.90")
    marker = f"{UP} source=config-drive host=by-new-drive"
    wait_for("the rebuilt guest", lambda: marker in driven.console(), BOOT_SECONDS)
    wait_for("it is active", lambda: api.server(driven.id)["status"] == "ACTIVE", 60)
    password_opens(driven, "Sesame-2")
    for guest in guests:
        api.compute("DELETE", f"/servers/{guest.id}")
    wait_for("nothing is left", lambda: not leftovers(cloud), 60)
    api.network("DELETE", f"/networks/{network}")


def up(cloud: Cloud, name: str) -> bool:
    return any(one["host"] == name and one["state"] == "up" for one in cloud.services())


def metadata(guest: Guest) -> Any:
    code, said = guest.run(WGET + META_DATA)
    assert code == 0, said
    return json.loads(said)


def password_opens(guest: Guest, password: str) -> None:
    """The administrator's password is the one that the user was told."""
    (line,) = [one for one in guest.run("cat /etc/shadow")[1].splitlines() if one.startswith("root:")]
    kept = line.split(":")[1]
    assert crypt.crypt(password, kept) == kept


def tells_nobody_but_itself(cloud: Cloud, guest: Guest, image: str, flavor: str, on_network: dict[str, Any]) -> None:
    """Whatever it says of itself, and whatever address it takes."""
    address = cloud.api.network("GET", f"/ports?device_id={guest.id}")["ports"][0]["fixed_ips"][0]["ip_address"]
    other = boot(cloud, 1, "neighbour", image, flavor, **on_network)
    wait_for("the neighbour", other.up, BOOT_SECONDS)
    theirs = cloud.api.network("GET", f"/ports?device_id={other.id}")["ports"][0]["fixed_ips"][0]["ip_address"]
    assert metadata(other)["uuid"] == other.id
    said = {"X-Forwarded-For": theirs, "X-Novalite-Address": theirs, "X-Instance-ID": other.id}
    lies = " ".join(f"--header '{name}: {value}'" for name, value in said.items())
    assert json.loads(guest.run(f"{WGET}{lies} {META_DATA}")[1])["uuid"] == guest.id
    guest.run(TAKE.format(new=theirs, old=address))
    assert guest.run(WGET + META_DATA)[1] == ""
    guest.run(TAKE.format(new=address, old=theirs))
    assert metadata(guest)["uuid"] == guest.id
    cloud.api.compute("DELETE", f"/servers/{other.id}")


def leaves_its_password(cloud: Cloud, guest: Guest) -> None:
    text = base64.b64encode(hashlib.sha256(b"sealed").digest()).decode()
    post = f"{WGET}--post-data '{text}' {AT}/openstack/2013-04-04/password"
    assert guest.run(post)[0] == 0
    assert guest.run(post)[0] != 0
    path = f"/servers/{guest.id}/os-server-password"
    assert cloud.api.compute("GET", path) == {"password": text}
    cloud.api.compute("DELETE", path)
    assert cloud.api.compute("GET", path) == {"password": ""}
