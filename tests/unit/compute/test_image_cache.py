"""The image cache against a real HTTP server: good images, every kind of bad one, and letting go of them."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from novalite.compute.image_cache import ImageCache, base_name
from novalite.compute.image_use import backing_file, bases_in_use
from novalite.conf.load import for_tests
from novalite.errors import BuildFailed, ImageDownloadFailed, ImageNotFound, ImageUnacceptable
from novalite.objects.images import ImageSource
from novalite.states import PowerState
from tests.unit.compute.image_server import (
    DESCRIPTOR,
    ImageServer,
    image_server,
    iso,
    partitioned,
    qcow2,
    sha512,
)
from tests.unit.compute.scripted import A, a_flavor, a_work, an_image, until


@pytest.fixture
def server() -> Iterator[ImageServer]:
    with image_server() as made:
        yield made


def a_cache(folder: Path, **settings) -> ImageCache:
    defaults = {"image_download_attempts": 1, "image_read_timeout": 2, "image_min_free_mb": 0}
    return ImageCache(for_tests({
        "compute.instances_path": str(folder),
        **{f"compute.{key}": value for key, value in (defaults | settings).items()},
    }))  # fmt: skip


@pytest.fixture
def cache(tmp_path: Path) -> ImageCache:
    return a_cache(tmp_path)


def offer(server: ImageServer, body: bytes, **changes) -> ImageSource:
    """The server has this image; its record is right unless `changes` say otherwise."""
    server.body = body
    record = {"size": len(body), "os_hash_algo": "sha512", "os_hash_value": sha512(body)}
    return an_image(server.url, **{**record, **changes})


def refused(cache: ImageCache, source: ImageSource, kind: type[Exception]) -> str:
    """The sentence of the refusal; nothing may be left behind."""
    with pytest.raises(kind) as caught, cache.using(source):
        pytest.fail("it was accepted")
    left = (
        [path.name for path in cache.base.glob("*") if path.suffix != ".lock"] if cache.base.exists() else []
    )
    assert left == []
    return str(caught.value)


# --- good ones -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "declared", "found", "size"),
    [
        (b"plain bytes" * 9000, "raw", "raw", 99_000),
        (partitioned(), "raw", "raw", 1 << 20),
        (iso(), "iso", "raw", 64 * 1024),
        (qcow2(5 << 30), "qcow2", "qcow2", 5 << 30),
        (qcow2(1 << 20, version=2), "qcow2", "qcow2", 1 << 20),
    ],
)
@pytest.mark.parametrize("chunked", [False, True])
def test_a_good_image_is_kept_under_its_hash(server, cache, body, declared, found, size, chunked) -> None:
    server.chunked = chunked
    source = offer(server, body, disk_format=declared)
    with cache.using(source) as base:
        assert (base.format, base.virtual_size) == (found, size)
        assert base.path == cache.base / base_name(source)
        assert base.path.read_bytes() == body
        assert stat.S_IMODE(base.path.stat().st_mode) == 0o444
    assert server.requests[0]["X-Auth-Token"] == "t0ken"
    assert server.requests[0]["path"] == "/image/v2/images/img-1/file"


def test_an_image_is_fetched_once(server, cache) -> None:
    source = offer(server, b"once" * 1000)
    assert cache.ids() == ()
    for _ in range(3):
        with cache.using(source):
            pass
    assert len(server.requests) == 1
    assert cache.ids() == (source.id,)
    cache.remove_unused(time.time() + 10**9)
    assert cache.ids() == ()


def test_many_builds_at_once_fetch_it_once(server, cache) -> None:
    server.pause = 0.1
    source = offer(server, b"once" * 1000)
    got, other = [], a_cache(cache.instances)  # as of another daemon on the same directory

    def build(which: ImageCache) -> None:
        with which.using(source) as base:
            got.append(base.path.read_bytes())

    threads = [threading.Thread(target=build, args=(one,)) for one in (cache, other) * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert got == [server.body] * 8
    assert len(server.requests) == 1


def test_zeros_stay_holes_and_the_size_is_right(server, cache) -> None:
    body = b"x" + b"\0" * (24 << 20)
    with cache.using(offer(server, body)) as base:
        assert base.path.stat().st_size == len(body)
        assert base.path.stat().st_blocks * 512 < 8 << 20
        assert base.path.read_bytes() == body


def test_an_image_without_size_and_hash_is_taken(server, cache) -> None:
    with cache.using(offer(server, b"old" * 400, size=None, os_hash_value=None)) as base:
        assert base.path.read_bytes() == b"old" * 400


def test_a_service_that_stumbles_is_asked_again(server, tmp_path: Path) -> None:
    server.failures = 1
    with a_cache(tmp_path, image_download_attempts=2).using(offer(server, b"abc" * 400)) as base:
        assert base.path.read_bytes() == b"abc" * 400


def test_a_cached_image_that_was_damaged_is_fetched_again(server, cache) -> None:
    source = offer(server, b"whole" * 1000)
    with cache.using(source) as base:
        base.path.chmod(0o644)
        base.path.write_bytes(b"short")
    with cache.using(source) as base:
        assert base.path.read_bytes() == server.body
    (cache.base / f"{base_name(source)}.json").write_text("?")
    with cache.using(source) as base:
        assert base.path.read_bytes() == server.body


def test_the_same_id_with_other_content_is_another_base(server, cache) -> None:
    first = offer(server, b"one" * 400)
    with cache.using(first):
        pass
    with cache.using(offer(server, b"two" * 400)) as base:
        assert base.path.read_bytes() == b"two" * 400
    assert (cache.base / base_name(first)).read_bytes() == b"one" * 400


# --- bad ones --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "declared", "sentence"),
    [
        (qcow2(), "raw", "it is declared raw, but its content is qcow2"),
        (b"no header" * 9000, "qcow2", "it is declared qcow2, but its content is raw"),
        (b"x", "qcow2", "it is declared qcow2, but its content is raw"),
        (qcow2(backing=b"/etc/shadow"), "qcow2", "it has a backing file"),
        (qcow2(backing=b"/etc/shadow"), "raw", "it is declared raw, but its content is qcow2"),
        (qcow2(features=4), "qcow2", "it keeps its data in another file"),
        (qcow2(features=1 << 40), "qcow2", "it uses features of its format that are not known here"),
        (DESCRIPTOR, "raw", "it is declared raw, but its content is vmdk"),
        (DESCRIPTOR, "qcow2", "it is declared qcow2, but its content is vmdk"),
        (qcow2(), "vmdk", "its disk format is vmdk, this host takes raw, qcow2, iso"),
        (qcow2(), "iso", "it is declared iso, but its content is qcow2"),
        (b"\0" * 100_000, "iso", "it is declared iso, but its content is raw"),
    ],
)
def test_an_image_that_lies_about_itself_is_refused(server, cache, body, declared, sentence) -> None:
    said = refused(cache, offer(server, body, disk_format=declared), ImageUnacceptable)
    assert said == f"Image img-1 is unacceptable: {sentence}"


def test_a_vmdk_descriptor_is_refused_where_vmdk_is_taken(server, tmp_path: Path) -> None:
    cache = a_cache(tmp_path, image_formats="vmdk")
    said = refused(cache, offer(server, DESCRIPTOR, disk_format="vmdk"), ImageUnacceptable)
    assert "it is a VMDK descriptor" in said


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"os_hash_value": "00"}, "its content does not match its sha512 checksum"),
        ({"os_hash_algo": "crc-3"}, "its hash algorithm crc-3 is not known"),
        ({"size": 10}, "it is larger than the 10 bytes of its record"),
        ({"size": 10**6}, "it has 4000 bytes, its record says 1000000"),
    ],
)
def test_an_image_that_is_not_as_recorded_is_refused(server, cache, changes, sentence) -> None:
    assert sentence in refused(cache, offer(server, b"body" * 1000, **changes), ImageUnacceptable)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_truncated_download_is_refused(server, cache, chunked) -> None:
    server.cut, server.chunked = 1000, chunked
    source = offer(server, b"body" * 1000)
    kind = ImageUnacceptable if chunked else ImageDownloadFailed  # well-formed chunks: it is really shorter
    assert "3000" in refused(cache, source, kind)


def test_a_missing_image_and_a_refused_token_are_told_apart(server, cache) -> None:
    source = offer(server, b"body" * 1000)
    server.status = 404
    assert refused(cache, source, ImageNotFound) == "Image img-1 could not be found."
    server.status = 401
    assert "refused this host's token with 401" in refused(cache, source, ImageDownloadFailed)
    server.status = 204
    assert "answered 204" in refused(cache, source, ImageDownloadFailed)


def test_the_token_follows_no_redirect(server, cache) -> None:
    server.status, server.location = 302, server.url + "/elsewhere"
    assert "answered 302" in refused(cache, offer(server, b"body"), ImageDownloadFailed)
    assert len(server.requests) == 1


@pytest.mark.parametrize("url", ["file:///etc/shadow", "ftp://127.0.0.1/x", "http:///x", "nonsense"])
def test_only_http_is_spoken(cache, url: str) -> None:
    assert "is no http or https URL" in refused(cache, an_image(url), ImageDownloadFailed)


def test_a_service_that_is_not_there_is_named(cache) -> None:
    assert "127.0.0.1:1 does not answer" in refused(
        cache, an_image("http://127.0.0.1:1/x"), ImageDownloadFailed
    )


def test_a_silent_service_is_given_up(server, tmp_path: Path) -> None:
    server.pause = 5
    began = time.monotonic()
    refused(a_cache(tmp_path, image_read_timeout=1), offer(server, b"body" * 1000), ImageDownloadFailed)
    assert time.monotonic() - began < 3


def test_a_download_that_takes_too_long_is_given_up(server, tmp_path: Path) -> None:
    server.pause = 1.2
    said = refused(
        a_cache(tmp_path, image_download_timeout=1), offer(server, b"body" * 1000), ImageDownloadFailed
    )
    assert "within 1 seconds" in said


def test_an_image_that_does_not_fit_the_disk_is_not_begun(server, tmp_path: Path) -> None:
    cache = a_cache(tmp_path, image_min_free_mb=1 << 40)
    assert "MB free" in refused(cache, offer(server, b"body"), ImageDownloadFailed)


def test_a_cancelled_build_stops_its_download(server, cache) -> None:
    def check() -> None:
        raise BuildFailed("cancelled")

    with pytest.raises(BuildFailed), cache.using(offer(server, b"body" * 1000), check):
        pass
    assert not list(cache.base.glob("*.part"))


@pytest.mark.skipif(not shutil.which("qemu-img"), reason="needs qemu-img")
def test_images_made_by_qemu_are_judged_rightly(server, cache, tmp_path: Path) -> None:
    base, overlay = tmp_path / "base.qcow2", tmp_path / "overlay.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", base, "64M"], check=True)
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", base, overlay], check=True
    )
    with cache.using(offer(server, base.read_bytes(), disk_format="qcow2")) as found:
        assert found.virtual_size == 64 << 20
    said = "it has a backing file"
    with (
        pytest.raises(ImageUnacceptable, match=said),
        cache.using(offer(server, overlay.read_bytes(), disk_format="qcow2")),
    ):
        pass
    assert backing_file(overlay) == str(base)


# --- letting go ------------------------------------------------------------------------------

LATER = 2 * 86400


def kept(
    server: ImageServer, cache: ImageCache, body: bytes = b"body" * 1000, image_id: str = "img-1"
) -> Path:
    with cache.using(offer(server, body, id=image_id)) as base:
        return base.path


def a_disk_on(path: Path, instances: Path, server_id: str = A) -> Path:
    """A guest's disk whose header names the base."""
    disk = instances / server_id / "disk"
    disk.parent.mkdir(exist_ok=True)
    disk.write_bytes(qcow2(backing=str(path).encode()))
    return disk


def test_an_image_nobody_uses_is_removed_after_a_day(server, cache) -> None:
    path = kept(server, cache)
    assert cache.remove_unused() == []
    assert cache.remove_unused(time.time() + LATER) == ["img-1"]
    assert not path.exists()
    assert [p.suffix for p in cache.base.iterdir()] == [".lock"]
    assert kept(server, cache).exists()


def test_an_image_that_a_disk_stands_on_is_never_removed(server, cache) -> None:
    path = kept(server, cache)
    unused = kept(server, cache, b"other" * 100, "img-2")
    disk = a_disk_on(path, cache.instances)
    assert bases_in_use(cache.instances) == {path.name}
    assert cache.remove_unused(time.time() + LATER) == ["img-2"]
    assert path.exists()
    assert not unused.exists()
    disk.unlink()
    assert cache.remove_unused(time.time() + LATER) == ["img-1"]


def test_an_image_of_a_build_in_progress_is_not_removed(server, cache) -> None:
    with cache.using(offer(server, b"body" * 1000)) as base:
        assert cache.remove_unused(time.time() + LATER) == []
        assert base.path.exists()


def test_nothing_is_removed_when_a_disk_cannot_be_read(server, cache, monkeypatch) -> None:
    path = kept(server, cache)
    disk = a_disk_on(path, cache.instances)
    disk.unlink()
    disk.symlink_to("/proc/self/mem")  # is_file() and unreadable at 0, also for root
    if os.access("/proc/self/mem", os.R_OK):
        assert cache.remove_unused(time.time() + LATER) == []
    assert path.exists()


def test_what_a_killed_download_left_is_removed(cache) -> None:
    cache.base.mkdir()
    part = cache.base / f"{'a' * 64}.part"
    part.write_bytes(b"half")
    stranger = cache.base / "ephemeral_1_ext4"
    stranger.write_bytes(b"somebody else's")
    cache.remove_unused(time.time() + LATER)
    assert not part.exists()
    assert stranger.exists()


def test_ageing_an_absent_cache_is_fine(cache) -> None:
    assert cache.remove_unused(time.time() + LATER) == []


# --- in a build ------------------------------------------------------------------------------


def test_a_build_fetches_its_image_and_a_second_one_finds_it(server, make_rig) -> None:
    rig = make_rig(fake_driver__needs_images=True, compute__image_min_free_mb=0)
    rig.start()
    source = offer(server, qcow2(1 << 20), disk_format="qcow2")
    report = rig.ask("spawn", a_work("spawn", image=source))
    assert report.error is None
    assert [name for name, _, _ in report.events] == ["image_cache", "disks", "guest_start"]
    server.status = 500
    rig.ask("destroy")
    assert rig.ask("spawn", a_work("spawn", image=source)).error is None


def test_a_build_asked_again_needs_no_image(server, make_rig) -> None:
    rig = make_rig(fake_driver__needs_images=True, compute__image_min_free_mb=0)
    rig.start()
    work = a_work("spawn", image=offer(server, qcow2(1 << 20), disk_format="qcow2"))
    rig.ask("spawn", work)
    rig.script.believe(A)
    rig.restart()
    server.status = 401
    shutil.rmtree(rig.manager.bench.cache.base)
    assert rig.ask("spawn", work).error is None
    assert rig.driver.power_state(A) is PowerState.RUNNING


def test_a_bad_image_fails_the_build_and_leaves_nothing(server, make_rig) -> None:
    rig = make_rig(fake_driver__needs_images=True, compute__image_min_free_mb=0)
    rig.start()
    source = offer(server, qcow2(backing=b"/etc/shadow"), disk_format="qcow2")
    report = rig.ask("spawn", a_work("spawn", image=source))
    assert report.error == "Image img-1 is unacceptable: it has a backing file"
    assert report.facts == {"failed_step": "image_cache"}
    assert rig.driver.guests() == []
    assert rig.manager.unfinished.specs() == []


def test_an_image_larger_than_the_flavors_disk_is_refused(server, make_rig) -> None:
    rig = make_rig(fake_driver__needs_images=True, compute__image_min_free_mb=0)
    rig.start()
    source = offer(server, qcow2(2 << 30), disk_format="qcow2")
    assert rig.ask("spawn", a_work("spawn", image=source)).error_name == "FlavorDiskTooSmall"
    boundless = a_work("spawn", image=source, flavor=a_flavor(disk_gb=0))
    assert rig.ask("spawn", boundless).error is None


def test_a_destroy_ends_a_download(server, make_rig) -> None:
    rig = make_rig(fake_driver__needs_images=True, compute__image_min_free_mb=0)
    rig.start()
    server.pause = 0.3
    source = offer(server, b"\1" * (1 << 20))
    rig.ask("spawn", a_work("spawn", image=source), settle=False)
    until(lambda: server.requests)
    assert rig.ask("destroy").error is None
    assert rig.script.report_of("spawn").error_name == "BuildFailed"
