"""A server as the tree its guest reads, for the metadata service and for config drives alike. Pure.

Two public formats share the tree: OpenStack's at `openstack/` and Amazon EC2's at the root, each in every version
that was ever published, so that a guest gets what the version it asks for promised, and nothing newer.
"""

from novalite.guest_metadata.drive import drive
from novalite.guest_metadata.folders import Found, look
from novalite.guest_metadata.openstack import HAS_PASSWORD_SINCE
from novalite.guest_metadata.tree import Vendor, new_seed, tree

__all__ = ["HAS_PASSWORD_SINCE", "Found", "Vendor", "drive", "look", "new_seed", "tree"]
