"""The image service means the same on SQLite, PostgreSQL and MariaDB."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from novalite.context import system
from novalite.objects.images import ImageChange
from novalite.rpc.contracts.images import Images
from tests.api.companions import Companions
from tests.api.images.test_bytes import (  # noqa: F401
    test_bytes_go_in_and_come_out_the_same,
    test_staged_bytes_are_imported,
)
from tests.api.images.test_records import (  # noqa: F401
    people,
    test_a_patch_changes_fields_and_properties,
    test_filters,
    test_order,
    test_pages_hold_every_image_once,
    test_sharing,
    test_tags,
    test_the_id_may_be_chosen_once,
    test_visibility,
)
from tests.contract.db.companion_clouds import cloud  # noqa: F401


def test_of_many_uploads_one_begins(cloud: Companions) -> None:  # noqa: F811
    images, image = cloud.client.of(Images), cloud.image()

    def begin(_: int) -> str:
        try:
            images.begin_upload(system(), image["id"])
        except Exception as error:
            return type(error).__name__
        return "begun"

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(begin, range(6))) == ["Conflict"] * 5 + ["begun"]


@pytest.mark.parametrize("times", [20])
def test_patches_at_once_all_count(cloud: Companions, times: int) -> None:  # noqa: F811
    images, image = cloud.client.of(Images), cloud.image()

    def add(number: int) -> Any:
        change = ImageChange(op="add", name=f"p{number}", value="x")
        return images.change(system(), image["id"], [change])

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(add, range(times)))
    assert len(images.show(system(), image["id"])["properties"]) == times
