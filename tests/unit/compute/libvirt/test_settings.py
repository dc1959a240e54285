"""[libvirt] settings that cannot work are refused at start, in one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from novalite.compute.virt.libvirt.driver import LibvirtDriver
from novalite.conf import load
from novalite.errors import ConfigError, DriverUnavailable


@pytest.mark.parametrize("option,value", [
    ("virt_type", "xen"), ("disk_cachemodes", "file:fast"), ("cpu_mode", "best"),
    ("console_log_max_bytes", "1"), ("call_timeout", "0"),
])
def test_impossible_value_is_refused_naming_the_option(tmp_path: Path, option: str, value: str) -> None:
    file = tmp_path / "novalite.conf"
    file.write_text(f"[libvirt]\n{option} = {value}\n")
    with pytest.raises(ConfigError, match=option):
        load.load("test", [str(file)])


def test_cache_mode_is_read_by_kind_of_disk(tmp_path: Path) -> None:
    file = tmp_path / "novalite.conf"
    file.write_text("[libvirt]\ndisk_cachemodes = file:writethrough\n")
    assert load.load("test", [str(file)]).libvirt.disk_cachemodes == {"file": "writethrough"}


def driver(tmp_path: Path, **settings: Any) -> LibvirtDriver:
    """A driver that finds no libvirt."""
    return LibvirtDriver(load.for_tests({
        "libvirt.connection_uri": f"qemu+unix:///system?socket={tmp_path}/none", "libvirt.connection_wait": 0.1,
        "compute.instances_path": str(tmp_path / "instances"),
        **{f"libvirt.{key}": value for key, value in settings.items()}}))


def test_custom_processor_needs_a_model(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cpu_model"):
        driver(tmp_path, cpu_mode="custom")


def test_host_without_libvirt_says_what_to_do(tmp_path: Path) -> None:
    pytest.importorskip("libvirt")
    with pytest.raises(DriverUnavailable, match="systemctl start libvirtd"):
        driver(tmp_path).start(lambda server_id, state: None)


def test_driver_that_was_not_started_says_so(tmp_path: Path) -> None:
    with pytest.raises(DriverUnavailable, match="not been started"):
        driver(tmp_path).inventory()


def test_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "instances").write_text("in the way")
    with pytest.raises(DriverUnavailable, match="instances cannot be made"):
        driver(tmp_path).start(lambda server_id, state: None)
