"""What operators add to what guests read: a file that is the same for all, and services that are asked about each.

The services get what they need to know of the server as JSON and answer JSON; all are asked at the same time, so
that a slow one costs its own time limit and no more.
"""

from __future__ import annotations

import json
import logging
import threading
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oslo_config import cfg

from novalite.errors import ConfigError, VendorDataFailed
from novalite.guest_metadata.tree import Vendor
from novalite.objects.servers import GuestSpec

LOG = logging.getLogger(__name__)
MOST_BYTES = 1 << 20
"""Of one answer."""


class VendorData:
    """Of one daemon. Raises ConfigError for a file that is no JSON object, and for targets that are not name@URL."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self.options = conf.metadata
        self.targets = dict(_target(one) for one in self.options.vendordata_dynamic_targets)
        self.static = _static(self.options.vendordata_jsonfile_path)

    def of(self, spec: GuestSpec) -> Vendor:
        """For one server. Raises VendorDataFailed, if the operator wants that, when a service fails."""
        return Vendor(self.static, self._asked(spec) if self.targets else {})

    def _asked(self, spec: GuestSpec) -> Mapping[str, Any]:
        said: dict[str, Any] = {}
        body = json.dumps(_question(spec)).encode()
        threads = [
            threading.Thread(target=self._ask, args=(name, url, body, said), name=f"vendor-{name}", daemon=True)
            for name, url in self.targets.items()
        ]
        for thread in threads:
            thread.start()
        seconds = self.options.vendordata_dynamic_timeout
        for thread in threads:
            thread.join(seconds)
        answers = dict(said)  # one that answers later is too late
        for name in self.targets:
            answer = answers.get(name, TimeoutError(f"no answer within {seconds:g} seconds"))
            if isinstance(answer, Exception):
                LOG.warning("Vendor data %s for server %s: %s", name, spec.id, answer)
                if self.options.vendordata_dynamic_failure_fatal:
                    raise VendorDataFailed(name=name)
                answer = {}
            answers[name] = answer
        return answers

    def _ask(self, name: str, url: str, body: bytes, said: dict[str, Any]) -> None:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        try:
            asked = urllib.request.Request(url, body, headers, method="POST")
            with urllib.request.urlopen(asked, timeout=self.options.vendordata_dynamic_timeout) as answer:
                text = answer.read(MOST_BYTES + 1)
            if len(text) > MOST_BYTES:
                raise ValueError(f"its answer is longer than {MOST_BYTES} bytes")
            said[name] = json.loads(text) if text else {}
        except Exception as error:
            said[name] = error


def _question(spec: GuestSpec) -> dict[str, Any]:
    """What a service is told (Compute admin guide, "Vendordata"); roles of who made the server are not kept."""
    return {
        "project-id": spec.project_id,
        "instance-id": spec.id,
        "image-id": spec.image_id,
        "user-data": spec.user_data,
        "hostname": spec.hostname,
        "metadata": spec.metadata,
    }


def _target(text: str) -> tuple[str, str]:
    name, _, url = text.strip().partition("@")
    if not name or name == "static" or not url.startswith(("http://", "https://")):
        raise ConfigError(
            reason=f"[metadata] vendordata_dynamic_targets: {text}: a name (not \"static\"), @ and an http URL"
        )
    return name, url


def _static(path: str) -> Mapping[str, Any]:
    if not path:
        return {}
    try:
        found = json.loads(Path(path).read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(reason=f"[metadata] vendordata_jsonfile_path: {path}: {error}") from error
    if not isinstance(found, dict):
        raise ConfigError(reason=f"[metadata] vendordata_jsonfile_path: {path} holds no JSON object")
    return found
