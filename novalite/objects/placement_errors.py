"""What can go wrong in Placement, with the codes that its API publishes (Placement API reference, "Errors")."""

from __future__ import annotations

from typing import ClassVar

from novalite.errors import BadRequest, Conflict, NotFound, NovaliteError

UNDEFINED = "placement.undefined_code"


def code_of(error: NovaliteError) -> str:
    """The `code` that the Placement API shows for an error."""
    return str(getattr(error, "code", UNDEFINED))


# --- bad requests --------------------------------------------------------------------------------


class BadQueryValue(BadRequest):
    code: ClassVar[str] = "placement.query.bad_value"


class DuplicateQueryKey(BadRequest):
    code: ClassVar[str] = "placement.query.duplicate_key"


class MissingQueryValue(BadRequest):
    code: ClassVar[str] = "placement.query.missing_value"


class ProviderMissing(BadRequest):
    code: ClassVar[str] = "placement.resource_provider.not_found"
    message = "{what} for resource provider '{uuid}' that does not exist."


# --- not there -----------------------------------------------------------------------------------


class ProviderNotFound(NotFound):
    message = "No resource provider with uuid {uuid} found{purpose}"


class InventoryNotFound(NotFound):
    message = "No inventory of class {resource_class} for {uuid}"


class ResourceClassNotFound(NotFound):
    message = "No such resource class {name}."


class TraitNotFound(NotFound):
    message = "No such trait(s): {names}."


class ConsumerNotFound(NotFound):
    message = "No allocations for consumer '{consumer}'"


# --- conflicts -----------------------------------------------------------------------------------


class ConcurrentUpdate(Conflict):
    code: ClassVar[str] = "placement.concurrent_update"
    message = (
        "Resource provider's generation already changed. Please update the generation and try again. "
        "(resource provider generation conflict: {uuid})"
    )


class ConsumerConflict(ConcurrentUpdate):
    message = "consumer generation conflict - expected {expected} but got {got}"


class DuplicateProvider(Conflict):
    code: ClassVar[str] = "placement.duplicate_name"
    message = "Conflicting resource provider {field}: {value} already exists."


class InventoryInUse(Conflict):
    code: ClassVar[str] = "placement.inventory.inuse"
    message = "Inventory for '{classes}' on resource provider '{uuid}' in use."


class ProviderInUse(Conflict):
    code: ClassVar[str] = "placement.resource_provider.inuse"
    message = "Unable to delete resource provider {uuid}: Resource provider has allocations."


class ProviderHasChildren(Conflict):
    code: ClassVar[str] = "placement.resource_provider.cannot_delete_parent"
    message = "Unable to delete parent resource provider {uuid}: It has child resource providers."


class NoRoom(Conflict):
    message = (
        "Unable to allocate inventory: Unable to create allocation for '{resource_class}' on resource provider "
        "'{uuid}'. The requested amount would exceed the capacity."
    )


class WrongPortion(Conflict):
    message = (
        "Unable to allocate inventory: Unable to create allocation for '{resource_class}' on resource provider "
        "'{uuid}'. The requested amount would violate inventory constraints."
    )


class NoSuchInventory(Conflict):
    message = "Unable to allocate inventory: Inventory for '{resource_class}' on resource provider '{uuid}' invalid."


class GivenByCompute(Conflict):
    message = (
        "Resource provider {provider}: {what} is given and taken back by the compute service, "
        "with the place of a server."
    )


class KeptByCompute(Conflict):
    message = (
        "Consumer {consumer} is a server or migration that needs what it holds on {provider}; it is given back when "
        "the server leaves."
    )
