"""Flavors, keypairs, quotas and limits."""

from __future__ import annotations

from novalite.context import Context
from novalite.objects.base import Record
from novalite.rpc.contracts.base import Contract, call


class Flavors(Contract, topic="conductor", namespace="flavors", version="1.1"):
    """Flavor records: flavor_id, name, vcpus, ram_mb, disk_gb, ephemeral_gb, swap_mb, rxtx_factor,
    is_public, disabled, description, extra_specs."""

    @call()
    def page(
        self,
        ctx: Context,
        is_public: bool | None = True,
        min_disk_gb: int | None = None,
        min_ram_mb: int | None = None,
        name: str | None = None,
        limit: int = 1000,
        marker: str | None = None,
        sort_key: str = "flavorid",
        sort_dir: str = "asc",
    ) -> list[Record]:
        """`is_public` None lists all; True also lists private ones the caller's project has access to."""
        raise NotImplementedError

    @call()
    def show(self, ctx: Context, flavor_id: str) -> Record:
        """One flavor the caller may see."""
        raise NotImplementedError

    @call()
    def create(self, ctx: Context, flavor: Record) -> Record:
        """FlavorExists when name or id is taken."""
        raise NotImplementedError

    @call()
    def update(self, ctx: Context, flavor_id: str, description: str | None) -> Record:
        """Only the description can change."""
        raise NotImplementedError

    @call()
    def delete(self, ctx: Context, flavor_id: str) -> None:
        """Servers keep the copy they were built with."""
        raise NotImplementedError

    @call()
    def set_extra_specs(self, ctx: Context, flavor_id: str, specs: dict[str, str]) -> dict[str, str]:
        """Merge; answers what was set."""
        raise NotImplementedError

    @call()
    def delete_extra_spec(self, ctx: Context, flavor_id: str, key: str) -> None:
        """FlavorExtraSpecNotFound when it is not there."""
        raise NotImplementedError

    @call()
    def access(self, ctx: Context, flavor_id: str) -> list[str]:
        """Projects with access to a private flavor; NotFound for a public one."""
        raise NotImplementedError

    @call()
    def add_access(
        self, ctx: Context, flavor_id: str, project_id: str, only_private: bool = False
    ) -> list[str]:
        """Grant; FlavorAccessExists on a duplicate, with `only_private` Conflict for a public flavor."""
        raise NotImplementedError

    @call()
    def remove_access(self, ctx: Context, flavor_id: str, project_id: str) -> list[str]:
        """Revoke; FlavorAccessNotFound when there was none."""
        raise NotImplementedError


class Keypairs(Contract, topic="conductor", namespace="keypairs", version="1.0"):
    """Keypair records: id, user_id, name, type, fingerprint, public_key, created_at, updated_at."""

    @call()
    def page(
        self, ctx: Context, user_id: str, limit: int | None = None, marker: str | None = None
    ) -> list[Record]:
        """Sorted by name."""
        raise NotImplementedError

    @call()
    def show(self, ctx: Context, user_id: str, name: str) -> Record:
        """KeypairNotFound otherwise."""
        raise NotImplementedError

    @call()
    def create(self, ctx: Context, keypair: Record) -> Record:
        """KeypairExists on a duplicate, OverQuota over key_pairs."""
        raise NotImplementedError

    @call()
    def delete(self, ctx: Context, user_id: str, name: str) -> None:
        """KeypairNotFound otherwise."""
        raise NotImplementedError


DEFAULT_CLASS = "default"
"""The quota class that means something; others are kept for those who ask for them."""


class Quotas(Contract, topic="conductor", namespace="quotas", version="1.1"):
    """Limits by resource name (conf/quota.py DEFAULTS); -1 means no limit."""

    @call()
    def show(self, ctx: Context, project_id: str, user_id: str | None = None) -> dict[str, dict[str, int]]:
        """By resource: limit, in_use, reserved (always 0: use is counted, never reserved)."""
        raise NotImplementedError

    @call()
    def defaults(self, ctx: Context, name: str = DEFAULT_CLASS) -> dict[str, int]:
        """Limits of a quota class; those of the default one are for projects that have none of their own."""
        raise NotImplementedError

    @call()
    def update(
        self,
        ctx: Context,
        project_id: str,
        limits: dict[str, int],
        force: bool = False,
        user_id: str | None = None,
    ) -> dict[str, int]:
        """Set limits; BadRequest below what is in use unless `force`."""
        raise NotImplementedError

    @call()
    def delete(self, ctx: Context, project_id: str, user_id: str | None = None) -> None:
        """Back to defaults."""
        raise NotImplementedError

    @call()
    def update_defaults(
        self, ctx: Context, limits: dict[str, int], name: str = DEFAULT_CLASS
    ) -> dict[str, int]:
        """Change a quota class; answers all its limits."""
        raise NotImplementedError
