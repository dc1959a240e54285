"""The embedded image service in the conductor: RPC endpoint, image port, expiry of dead uploads."""

from novalite.conductor.images.endpoint import ImagesEndpoint
from novalite.conductor.images.local import ConductorImages
from novalite.conductor.images.uploads import ExpireUploads

__all__ = ["ConductorImages", "ExpireUploads", "ImagesEndpoint"]
