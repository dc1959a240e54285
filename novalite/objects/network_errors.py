"""What can go wrong with networks, by the name that the Network API gives it.

`kind` is that name where it differs from the class's.
"""

from __future__ import annotations

from typing import ClassVar

from novalite.errors import BadRequest, Conflict, Forbidden, NotFound, NovaliteError


def kind_of(error: NovaliteError) -> str:
    """The `type` that the Network API shows for an error."""
    return str(getattr(error, "kind", None) or type(error).__name__)


# --- not there, or not the caller's -------------------------------------------------------------


class NetworkNotFound(NotFound):
    message = "Network {network_id} could not be found."


class SubnetNotFound(NotFound):
    message = "Subnet {subnet_id} could not be found."


class SubnetPoolNotFound(NotFound):
    message = "Subnet pool {pool_id} could not be found."


class PortNotFound(NotFound):
    message = "Port id {port_id} could not be found."


class RouterNotFound(NotFound):
    message = "Router {router_id} could not be found."


class FloatingIpNotFound(NotFound):
    kind: ClassVar[str] = "FloatingIPNotFound"
    message = "Floating IP not found for ID {floating_ip_id}"


class SecurityGroupNotFound(NotFound):
    message = "Security group {group_id} not found."


class SecurityGroupRuleNotFound(NotFound):
    message = "Rule {rule_id} not found."


class ExtensionNotFound(NotFound):
    message = "Extension with alias {alias} does not exist"


class TagNotFound(NotFound):
    message = "Tag {tag} could not be found."


class RouterInterfaceNotFound(NotFound):
    message = "Router {router_id} does not have an interface with id {port_id}"


class RouterInterfaceNotFoundForSubnet(NotFound):
    message = "Router {router_id} has no interface on subnet {subnet_id}"


class ExternalGatewayForFloatingIpNotFound(NotFound):
    kind: ClassVar[str] = "ExternalGatewayForFloatingIPNotFound"
    message = (
        "External network {external_network_id} is not reachable from subnet {subnet_id}. Therefore, cannot "
        "associate Port {port_id} with a Floating IP."
    )


class QuotaMissing(NotFound):
    kind: ClassVar[str] = "TenantQuotaNotFound"
    message = "Quota for tenant {project_id} could not be found."


# --- what a request may not ask -------------------------------------------------------------------


class InvalidNetworkInput(BadRequest):
    kind: ClassVar[str] = "InvalidInput"
    message = "Invalid input for operation: {reason}."


class InvalidSubnetOverlap(BadRequest):
    kind: ClassVar[str] = "InvalidInput"
    message = (
        "Invalid input for operation: Requested subnet with cidr: {cidr} for network: {network_id} overlaps with "
        "another subnet."
    )


class SubnetAllocationFailed(BadRequest):
    kind: ClassVar[str] = "SubnetAllocationError"
    message = "Failed to allocate subnet: {reason}."


class InvalidSubnetPool(BadRequest):
    kind: ClassVar[str] = "IllegalSubnetPoolPrefixBounds"
    message = "Illegal prefix bounds: {reason}."


class IllegalSubnetPoolUpdate(BadRequest):
    message = "Illegal subnetpool update : {reason}."


class InvalidAllocationPool(BadRequest):
    message = "The allocation pool {pool} is not valid."


class OutOfBoundsAllocationPool(BadRequest):
    message = "The allocation pool {pool} spans beyond the subnet cidr {cidr}."


class OverlappingAllocationPools(Conflict):
    message = "Found overlapping allocation pools: {first} {second} for subnet {cidr}."


class GatewayConflictWithAllocationPools(Conflict):
    message = "Gateway ip {gateway} conflicts with allocation pool {pool}."


class GatewayIpInUse(Conflict):
    message = "Current gateway ip {gateway} already in use by port {port_id}. Unable to update."


class InvalidIpForNetwork(BadRequest):
    message = "IP address {ip_address} is not a valid IP for any of the subnets on the specified network."


class InvalidIpForSubnet(BadRequest):
    message = "IP address {ip_address} is not a valid IP for the specified subnet."


class SecurityGroupInvalidPortRange(BadRequest):
    message = "For TCP/UDP protocols, port_range_min must be <= port_range_max"


class SecurityGroupInvalidIcmpValue(BadRequest):
    message = "Invalid value for ICMP {field} ({attr}) {value}. It must be 0 to 255."


class SecurityGroupMissingIcmpType(BadRequest):
    message = "ICMP code (port-range-max) {value} is provided but ICMP type (port-range-min) is missing."


class SecurityGroupRuleParameterConflict(BadRequest):
    message = "Conflicting value ethertype {ethertype} for CIDR {cidr}"


class SecurityGroupRemoteGroupAndRemoteIpPrefix(BadRequest):
    message = "Only remote_ip_prefix or remote_group_id may be provided."


class BadRouterRequest(BadRequest):
    message = "Bad router request: {reason}."


class BadFloatingIpRequest(BadRequest):
    kind: ClassVar[str] = "BadRequest"
    message = "Bad floatingip request: {reason}."


class PortSecurityAndIpRequired(BadRequest):
    kind: ClassVar[str] = "PortSecurityAndIPRequiredForSecurityGroups"
    message = (
        "Port security must be enabled and port must have an IP address in order to use security groups."
    )


class AddressPairAndPortSecurityRequired(Conflict):
    message = "Port Security must be enabled in order to have allowed address pairs on a port."


class PortSecurityHasSecurityGroup(Conflict):
    kind: ClassVar[str] = "PortSecurityPortHasSecurityGroup"
    message = (
        "Port has security group associated. Cannot disable port security or IP address until it is removed."
    )


# --- taken, in use, exhausted ---------------------------------------------------------------------


class NetworkInUse(Conflict):
    message = "Unable to complete operation on network {network_id}. {reason}"


class SubnetInUse(Conflict):
    message = "Unable to complete operation on subnet {subnet_id}: {reason}"


class SubnetPoolInUse(Conflict):
    message = "Unable to complete operation on subnet pool {pool_id}. Subnet pool has existing allocations."


class SubnetPoolQuotaExceeded(Conflict):
    message = "Per-project quota of the subnet pool {pool_id} exceeded."


class PortInUse(Conflict):
    message = (
        "Unable to complete operation on port {port_id} for network {network_id}. Port already has an attached "
        "device {device_id}."
    )


class ServicePortInUse(Conflict):
    message = "Port {port_id} cannot be deleted directly via the port API: {reason}."


class RouterInUse(Conflict):
    message = "Router {router_id} {reason}"


class RouterInterfaceInUseByFloatingIp(Conflict):
    kind: ClassVar[str] = "RouterInterfaceInUseByFloatingIP"
    message = (
        "Router interface for subnet {subnet_id} on router {router_id} cannot be deleted, as it is required by one "
        "or more floating IPs."
    )


class RouterExternalGatewayInUse(Conflict):
    kind: ClassVar[str] = "RouterExternalGatewayInUseByFloatingIp"
    message = (
        "Gateway cannot be updated for router {router_id}, since a gateway to external network {network_id} is "
        "required by one or more floating IPs."
    )


class FloatingIpPortAlreadyAssociated(Conflict):
    kind: ClassVar[str] = "FloatingIPPortAlreadyAssociated"
    message = (
        "Cannot associate floating IP {floating_ip_address} ({floating_ip_id}) with port {port_id} using fixed IP "
        "{fixed_ip_address}, as that fixed IP already has a floating IP on external network {network_id}."
    )


class SecurityGroupInUse(Conflict):
    message = "Security Group {group_id} in use."


class SecurityGroupRuleExists(Conflict):
    message = "Security group rule already exists. Rule id is {rule_id}."


class CannotDeleteDefaultGroup(Conflict):
    kind: ClassVar[str] = "SecurityGroupCannotRemoveDefault"
    message = "Insufficient rights for removing default security group."


class CannotRenameDefaultGroup(Conflict):
    kind: ClassVar[str] = "SecurityGroupCannotUpdateDefault"
    message = "Updating default security group not allowed."


class SecurityGroupDefaultExists(Conflict):
    kind: ClassVar[str] = "SecurityGroupDefaultAlreadyExists"
    message = "Default security group already exists."


class IpAddressInUse(Conflict):
    message = "Unable to complete operation for network {network_id}. The IP address {ip_address} is in use."


class IpAddressGenerationFailure(Conflict):
    message = "No more IP addresses available on network {network_id}."


class MacAddressInUse(Conflict):
    message = "Unable to complete operation for network {network_id}. The mac address {mac} is in use."


class SegmentInUse(Conflict):
    kind: ClassVar[str] = "VlanIdInUse"
    message = "Unable to create the network. The segment {network_type} {segmentation_id} is in use."


class NoSegmentLeft(Conflict):
    kind: ClassVar[str] = "NoNetworkAvailable"
    message = "Unable to create the network. No tenant network is available for allocation."


class NetworkOverQuota(Conflict):
    kind: ClassVar[str] = "OverQuota"
    message = "Quota exceeded for resources: {resources}."


class SubnetMismatchForPort(Conflict):
    message = "Subnet on port {port_id} does not match the requested subnet {subnet_id}."


class QuotaBelowUse(BadRequest):
    kind: ClassVar[str] = "InvalidQuotaValue"
    message = "Change would make usage less than 0 for the following resources: {resources}."


class OverlappingRouterSubnets(BadRequest):
    kind: ClassVar[str] = "BadRequest"
    message = (
        "Bad router request: Cidr {cidr} of subnet {subnet_id} overlaps with cidr {other_cidr} of subnet "
        "{other_id}."
    )


class SharedNetworkInUse(Conflict):
    kind: ClassVar[str] = "InvalidSharedSetting"
    message = (
        "Unable to reconfigure sharing settings for network {network_id}. Multiple tenants are using it."
    )


class ExternalNetworkInUse(Conflict):
    message = (
        "External network {network_id} cannot be updated to be made non-external, since it has existing gateway "
        "ports."
    )


class NotYours(Forbidden):
    kind: ClassVar[str] = "PolicyNotAuthorized"
    message = "The resource {resource_id} belongs to another project."
