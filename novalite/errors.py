"""Every failure by name, its HTTP status and its sentence.

    NovaliteError                      500 computeFault
    ├── BadRequest                     400 badRequest
    ├── Unauthorized                   401 unauthorized
    ├── Forbidden                      403 forbidden
    │   └── OverQuota
    ├── NotFound                       404 itemNotFound
    ├── NotAcceptable                  406 computeFault
    ├── Conflict                       409 conflictingRequest
    │   └── InvalidServerState
    ├── Gone                           410 computeFault
    ├── TooLarge                       413 overLimit
    ├── UnsupportedMediaType           415 badMediaType
    ├── NotImplementedHere             501 notImplemented
    ├── Unavailable                    503 serviceUnavailable
    │   ├── RpcTimeout, BrokerUnreachable, DatabaseUnreachable
    └── internal ones (never meant for a user): RpcError…, ClaimLost, TaskLost, NoValidHost, HostDown, …

Raise a class with facts; `message` is its sentence. One handler turns it into the API's JSON, and
RPC carries class name and facts, so routes and endpoints hold no `try`.
"""

from __future__ import annotations

from typing import Any, ClassVar, TypedDict

TITLES = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    405: "badMethod",
    409: "conflictingRequest",
    413: "overLimit",
    415: "badMediaType",
    429: "overLimit",
    501: "notImplemented",
    503: "serviceUnavailable",
}
"""Fault name by HTTP status (Compute API reference, "Faults"); every other status is computeFault."""


class WireError(TypedDict):
    """An error as it crosses the bus."""

    name: str
    message: str
    facts: dict[str, Any]


class NovaliteError(Exception):
    """Root of the tree. `NovaliteError("a sentence")` or `SomeError(fact=value, …)`."""

    status: ClassVar[int] = 500
    message: ClassVar[str] = "An unexpected error prevented the request from being fulfilled."
    registry: ClassVar[dict[str, type[NovaliteError]]] = {}

    def __init__(self, sentence: str | None = None, /, **facts: Any) -> None:
        self.facts = facts
        self.sentence = sentence if sentence is not None else self.message.format_map(_Lenient(facts))
        super().__init__(self.sentence)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        NovaliteError.registry[cls.__name__] = cls

    @property
    def title(self) -> str:
        """The key of the fault in the API's JSON."""
        return TITLES.get(self.status, "computeFault")

    def to_wire(self) -> WireError:
        """Class name, sentence and facts; facts that are not JSON values travel as text."""
        plain = (str, int, float, bool, list, dict, type(None))
        facts = {k: v if isinstance(v, plain) else str(v) for k, v in self.facts.items()}
        return {"name": type(self).__name__, "message": self.sentence, "facts": facts}


class _Lenient(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return f"<{key}>"


def from_wire(wire: WireError) -> NovaliteError:
    """The error another daemon raised; a class unknown here (newer peer) becomes RemoteError."""
    cls = NovaliteError.registry.get(wire["name"], RemoteError)
    return cls(wire["message"], **wire.get("facts", {}))


# --- what a user did wrong -------------------------------------------------------------------


class BadRequest(NovaliteError):
    status = 400
    message = "The request could not be understood."


class Unauthorized(NovaliteError):
    status = 401
    message = "The request you have made requires authentication."


class Forbidden(NovaliteError):
    status = 403
    message = "You are not allowed to perform this action."


class PolicyNotAuthorized(Forbidden):
    message = "Policy doesn't allow {rule} to be performed."


class OverQuota(Forbidden):
    message = (
        "Quota exceeded for {resources}: Requested {requested}, "
        "but already used {used} of {allowed} {resources}"
    )


class NotFound(NovaliteError):
    status = 404
    message = "The resource could not be found."


class NotAcceptable(NovaliteError):
    status = 406
    message = "The requested version is not supported."


class Conflict(NovaliteError):
    status = 409
    message = "The request conflicts with the current state of the resource."


class Gone(NovaliteError):
    status = 410
    message = "This resource is no longer available. No forwarding address is given."


class TooLarge(NovaliteError):
    status = 413
    message = "The request body is too large."


class UnsupportedMediaType(NovaliteError):
    status = 415
    message = "Unsupported Content-Type"


class NotImplementedHere(NovaliteError):
    status = 501
    message = "This operation is not supported by the cloud."


class Unavailable(NovaliteError):
    status = 503
    message = "The service is temporarily unable to answer; try again."


# --- by noun ---------------------------------------------------------------------------------


class ServerNotFound(NotFound):
    message = "Instance {server_id} could not be found."


class InvalidServerState(Conflict):
    message = "Cannot '{verb}' instance {server_id} while it is in {attr} {state}"


class ServerLocked(Conflict):
    message = "Instance {server_id} is locked"


class ServerNotReady(Conflict):
    message = "Instance {server_id} is not ready"


class GuestAgentMissing(Conflict):
    message = "Nobody answers inside instance {server_id}: {reason}"


class PasswordNotSet(Conflict):
    message = "The password of instance {server_id} was not changed: {reason}"


class ServerNotMovable(BadRequest):
    message = "Instance {server_id} cannot be moved to another host: {reason}"


class ComputeServiceInUse(BadRequest):
    message = "Compute service of {host} is still in use."


class MigrationPreCheckError(BadRequest):
    message = "Migration pre-check error: {reason}"


class ServerNotRescuable(BadRequest):
    message = "Instance {server_id} cannot be rescued: {reason}"


class ConsoleTypeInvalid(BadRequest):
    message = "Invalid console type {kind}"


class ConsoleTypeUnavailable(BadRequest):
    message = "Unavailable console type {kind}."


class ConsoleTokenInvalid(NotFound):
    message = "Token not found"


class FlavorNotFound(NotFound):
    message = "Flavor {flavor_id} could not be found."


class FlavorExists(Conflict):
    message = "Flavor with name or ID {name} already exists."


class FlavorAccessExists(Conflict):
    message = "Flavor access already exists for flavor {flavor_id} and project {project_id} combination."


class FlavorAccessNotFound(NotFound):
    message = "Flavor access not found for {flavor_id} / {project_id} combination."


class FlavorExtraSpecNotFound(NotFound):
    message = "Flavor {flavor_id} has no extra specs with key {key}."


class FlavorDiskTooSmall(BadRequest):
    message = (
        "Flavor's disk is too small for requested image. Flavor disk is {flavor_bytes} bytes, "
        "image is {image_bytes} bytes."
    )


class FlavorMemoryTooSmall(BadRequest):
    message = "Flavor's memory is too small for requested image: {needed} MB needed, the flavor has {ram}."


class MigrationNotFound(NotFound):
    message = "Migration {migration_id} for instance {server_id} could not be found."


class InvalidMigrationState(BadRequest):
    message = "Migration {migration_id} state of instance {server_id} is {state}. Cannot {verb} while it is so."


class KeypairNotFound(NotFound):
    message = "Keypair {name} not found for user {user_id}"


class KeypairExists(Conflict):
    message = "Key pair '{name}' already exists."


class InvalidKeypair(BadRequest):
    message = "Keypair data is invalid: {reason}"


class ImageNotFound(NotFound):
    message = "Image {image_id} could not be found."


class ImageNotActive(BadRequest):
    message = "Image {image_id} is not active."


class ImageUnacceptable(BadRequest):
    message = "Image {image_id} is unacceptable: {reason}"


class ImageDownloadFailed(NovaliteError):
    message = "Image {image_id} could not be fetched: {reason}"


class ImageUploadFailed(NovaliteError):
    message = "Image {image_id} could not be stored: {reason}"


class ServiceNotFound(NotFound):
    message = "Service {service_id} could not be found."


class HostNotFound(NotFound):
    message = "Compute host {host} could not be found."


class AggregateNotFound(NotFound):
    message = "Aggregate {aggregate_id} could not be found."


class AggregateExists(Conflict):
    message = "Aggregate {name} already exists."


class AggregateHostExists(Conflict):
    message = "Aggregate {aggregate_id} already has host {host}."


class AggregateHostNotFound(NotFound):
    message = "Aggregate {aggregate_id} has no host {host}."


class ServerGroupNotFound(NotFound):
    message = "Instance group {group_id} could not be found."


class ProjectNotFound(NotFound):
    message = "Could not find project: {project_id}."


class ActionNotFound(NotFound):
    message = "Action for request_id {request_id} on instance {server_id} not found."


class MarkerNotFound(BadRequest):
    message = "Marker {marker} could not be found."


# --- inside the house ------------------------------------------------------------------------


class RpcError(NovaliteError):
    message = "The message could not be handled."


class RpcTimeout(Unavailable):
    message = "No answer from {topic} to {method} within {timeout} seconds."


class NobodyListens(RpcTimeout):
    message = "No daemon answers for {topic}: {method} found nobody running."


class BrokerUnreachable(Unavailable):
    message = "The message broker cannot be reached: {reason}"


class BusFull(Unavailable):
    message = "The queue of {topic} is full ({size} messages); try again."


class PoolWouldDeadlock(RpcError):
    message = "{method} was called on {topic} from {topic}'s own last free worker: it would wait on itself."


class UnknownMethod(RpcError):
    message = "{topic} has no method {namespace}.{method}; its version is {version}."


class VersionMismatch(RpcError):
    message = "{topic} offers {namespace} {offered}, but the caller needs {wanted}; upgrade {topic} first."


class RemoteError(NovaliteError):
    message = "The other daemon failed: {reason}"


class DatabaseUnreachable(Unavailable):
    message = "The database cannot be reached: {reason}"


class DatabaseBusy(Unavailable):
    message = "The database is too busy to take the change; try again."


class DatabaseUnfit(NovaliteError):
    """It answers, but is not what this release, or this command, can work with."""

    message = "The database {reason}"


class BackupFailed(NovaliteError):
    message = "The backup {path} was not written: {reason}"


class BackupUnusable(NovaliteError):
    message = "{path} cannot be restored: {reason}"


class ConfigError(NovaliteError):
    message = "Configuration: {reason}"


class ClaimLost(NovaliteError):
    """Somebody changed the host after the scheduler looked; take the next alternate."""

    message = "Host {host} changed since it was chosen."


class TaskLost(NovaliteError):
    """Another conductor owns the task, or it is over; stop without touching anything."""

    message = "Task {task_id} is no longer ours."


class TaskReset(NovaliteError):
    message = "An administrator set the state of the server to {state}; what was under way was given up."


class NoValidHost(NovaliteError):
    message = "No valid host was found. {reason}"


class HostDown(NovaliteError):
    message = "Compute service of {host} is unavailable at this time."


class BuildFailed(NovaliteError):
    message = "Build of instance {server_id} failed on {host}: {reason}"


class ActionFailed(NovaliteError):
    message = "{verb} of instance {server_id} failed: {reason}"


class TaskTimeout(NovaliteError):
    message = "Step {step} was not finished within {seconds} seconds."


class GuestNotFound(NovaliteError):
    message = "Guest {server_id} does not exist on this host."


class DriverError(NovaliteError):
    message = "The hypervisor refused: {reason}"


class VendorDataFailed(NovaliteError):
    message = "The service that adds vendor data {name} failed."


class DriverUnavailable(NovaliteError):
    message = "The hypervisor cannot be reached: {reason}"


class DriverUnsupported(NotImplementedHere):
    message = "The hypervisor of this host does not support {what}."


class NetworksNotReady(NovaliteError):
    message = "The networks of instance {server_id} are not ready on its host: {reason}"


class InjectedFailure(DriverError):
    """What the fake driver raises when it was told to fail."""

    message = "{operation} was told to fail: {reason}"
