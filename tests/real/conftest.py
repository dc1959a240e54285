"""What several files of real guests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from deploy.dev.cloud import Cloud, Plan
from novalite.networks.on_host.commands import find
from tests.services.fixtures import running

ROOMY = {"quota.instances": "100", "quota.cores": "100"}


@pytest.fixture(scope="package")
def split() -> Iterator[Cloud]:
    """Two of everything, with networks, on two hypervisor hosts, of which the second has Open vSwitch where that is
    installed. The files that use it follow one another by name."""
    options = {**ROOMY, "networks.service": "embedded"}
    plan = Plan(computes=2, driver="libvirt", apis=2, conductors=2, schedulers=2, options=options,
                switches=int(find("ovs-vswitchd") is not None))  # fmt: skip
    with running(Cloud(plan)) as started:
        yield started
