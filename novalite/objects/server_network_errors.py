"""What can go wrong with the networks of servers, in the words of the Compute API."""

from __future__ import annotations

from novalite.errors import Conflict, Forbidden, NotFound, NovaliteError


class FixedIpInUse(Conflict):
    message = "Fixed IP address {address} is already in use on instance {device_id}."


class PortStillInUse(Conflict):
    message = "Port {port_id} is still in use."


class NetworkAmbiguous(Conflict):
    message = "Multiple possible networks found, use a Network ID to be more specific."


class GroupAmbiguous(Conflict):
    message = "Multiple security groups found matching '{name}'. Use an ID to be more specific."


class PortLimitExceeded(Forbidden):
    message = "Maximum number of ports exceeded"


class ExternalNetworkForbidden(Forbidden):
    message = "It is not allowed to create an interface on external network {network_id}"


class GroupNotOfServer(NotFound):
    message = "Security group {name} not associated with the instance {server_id}"


class NetworkNotOfServer(NotFound):
    message = "Network is not found for instance {server_id}: it has no port of network {network_id}."


class InterfaceNotAttached(NovaliteError):
    message = "Failed to attach network adapter device to {server_id}: {reason}"
