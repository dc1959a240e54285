"""Which servers have a config drive, and what gets there: keys, data, files and the administrator's password."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from novalite.db.models.compute import Task
from tests.cloud import Cloud
from tests.networked import a_network, networked
from tests.rest import Rest

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ4ylw8BcZ7AFiRlmHLPH5vv8fbWH0yFn3FxV4J4Dg3y me"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    vendor = tmp_path_factory.mktemp("vendor") / "data.json"
    vendor.write_text('{"support": "ops@example.com"}')
    overrides = {"metadata.vendordata_jsonfile_path": str(vendor)}
    with networked(tmp_path_factory.mktemp("cloud"), overrides=overrides) as made:
        yield made


@pytest.fixture(scope="module")
def member(cloud: Cloud) -> Rest:
    return cloud.rest()


@pytest.fixture(scope="module")
def image(member: Rest) -> str:
    return member.image()


def drive(cloud: Cloud, member: Rest, server_id: str) -> dict[str, str]:
    host = cloud.show(server_id)["host"]
    found: dict[str, str] = cloud.driver(host).guest(server_id).drive
    return found


def meta_data(cloud: Cloud, member: Rest, server_id: str) -> Any:
    return json.loads(drive(cloud, member, server_id)["openstack/latest/meta_data.json"])


def secrets(cloud: Cloud, server_id: str) -> set[str | None]:
    with cloud.db.read() as session:
        return set(session.scalars(select(Task.secret).where(Task.server_id == server_id)))


def test_a_config_drive_holds_everything_that_was_asked_for(cloud: Cloud, member: Rest, image: str) -> None:
    member.made("/os-keypairs", {"keypair": {"name": "mine", "public_key": KEY}}, version="2.1")
    network = a_network(cloud, "front", 7, member.project_id)
    body = {
        "name": "web", "flavorRef": "tiny", "imageRef": image, "config_drive": True, "key_name": "mine",
        "user_data": b64encode(b"#!/bin/sh\n").decode(), "metadata": {"role": "web"}, "adminPass": "hush-hush",
        "personality": [{"path": "/etc/motd", "contents": b64encode(b"welcome").decode()}],
        "networks": [{"uuid": network, "tag": "nic"}],
    }  # fmt: skip
    made = member.made("/servers", {"server": body}, version="2.42")["server"]
    assert made["adminPass"] == "hush-hush"
    assert member.get(f"/servers/{made['id']}")["server"]["config_drive"] == "True"
    files = drive(cloud, member, made["id"])
    shown = meta_data(cloud, member, made["id"])
    assert {key: shown[key] for key in ("uuid", "hostname", "meta", "public_keys", "admin_pass", "project_id")} == {
        "uuid": made["id"], "hostname": "web", "meta": {"role": "web"}, "public_keys": {"mine": KEY},
        "admin_pass": "hush-hush", "project_id": member.project_id,
    }  # fmt: skip
    assert [device["tags"] for device in shown["devices"]] == [["nic"]]
    assert files["openstack/latest/user_data"] == "#!/bin/sh\n"
    assert files["openstack/content/0000"] == "welcome"
    assert json.loads(files["openstack/latest/vendor_data.json"]) == {"support": "ops@example.com"}
    assert json.loads(files["openstack/latest/network_data.json"])["networks"][0]["network_id"] == network
    assert "source=config-drive" in member.made(f"/servers/{made['id']}/action", {"os-getConsoleOutput": {}})["output"]
    # what the password was is known to the guest alone
    assert secrets(cloud, made["id"]) == {None}
    # it stays through the server's life; one that is built anew has a new password, or none
    member.act(made["id"], {"reboot": {"type": "HARD"}})
    assert meta_data(cloud, member, made["id"])["admin_pass"] == "hush-hush"
    reply = member.act(made["id"], {"rebuild": {"imageRef": image, "adminPass": "another", "hostname": "www"}})
    assert reply.get_json()["server"]["config_drive"] == "True"
    shown = meta_data(cloud, member, made["id"])
    assert (shown["admin_pass"], shown["hostname"]) == ("another", "www")
    assert secrets(cloud, made["id"]) == {None}


def test_a_config_drive_costs_no_message(cloud: Cloud, member: Rest, image: str) -> None:
    def sent_for(name: str, **more: Any) -> list[str]:
        with cloud.bus.recording() as sent:
            member.boot(name, flavorRef="tiny", imageRef=image, **more)
        return [one.name for one in sent]

    assert sent_for("with", config_drive=True) == sent_for("without")


def test_without_a_config_drive_a_password_goes_no_further_than_the_conductor(
    cloud: Cloud, member: Rest, image: str
) -> None:
    with cloud.bus.recording() as sent:
        server = member.boot("plain", flavorRef="tiny", imageRef=image, adminPass="hush-hush")
    assert drive(cloud, member, server) == {}
    assert [one.name for one in sent if "hush-hush" in str(one)] == ["servers.create"]
    assert secrets(cloud, server) == {None}


@pytest.mark.parametrize("how", ["image", "operator"])
def test_others_than_the_user_may_want_a_config_drive(cloud: Cloud, member: Rest, image: str, how: str) -> None:
    wanted = member.image(img_config_drive="mandatory") if how == "image" else image
    cloud.conf.set_override("force_config_drive", how == "operator", group="metadata")
    try:
        server = member.boot("forced", flavorRef="tiny", imageRef=wanted)
    finally:
        cloud.conf.clear_override("force_config_drive", group="metadata")
    assert member.get(f"/servers/{server}")["server"]["config_drive"] == "True"
    assert meta_data(cloud, member, server)["admin_pass"]


def test_a_moved_server_keeps_its_config_drive(cloud: Cloud, member: Rest, image: str) -> None:
    server = member.boot("mover", flavorRef="tiny", imageRef=image, config_drive=True)
    before = cloud.show(server)["host"]
    cloud.stop_host(before)
    cloud.mark_down(before, True)
    try:
        reply = cloud.rest("admin").act(server, {"evacuate": {"adminPass": "new-one"}})
        assert reply.status_code == 200, reply.text
        assert cloud.show(server)["host"] != before
        shown = meta_data(cloud, member, server)
        assert (shown["uuid"], shown["admin_pass"]) == (server, "new-one")
    finally:
        cloud.mark_down(before, False)
        cloud.start_host(before)


def test_vendor_data_that_cannot_be_read_is_said_at_the_start(tmp_path: Path) -> None:
    from novalite.compute.config_drive import ConfigDrives
    from novalite.conf import load
    from novalite.errors import ConfigError

    bad = tmp_path / "list.json"
    bad.write_text("[]")
    for options, why in (
        ({"vendordata_jsonfile_path": str(bad)}, "holds no JSON object"),
        ({"vendordata_jsonfile_path": str(tmp_path / "none")}, "No such file"),
        ({"vendordata_dynamic_targets": ["static@http://x"]}, "static@http://x"),
        ({"vendordata_dynamic_targets": ["a@file:///etc/passwd"]}, "file:///etc/passwd"),
    ):
        conf = load.for_tests({f"metadata.{key}": value for key, value in options.items()})
        with pytest.raises(ConfigError, match=why):
            ConfigDrives(conf)
