"""novalite: a compute control plane that speaks the public OpenStack APIs."""

__version__ = "0.1.0"
