"""The embedded network service in the conductor."""
