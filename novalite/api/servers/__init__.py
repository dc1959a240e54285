"""Servers: routes, actions, schemas, filters and views."""

from novalite.api.servers.routes import ROUTES

__all__ = ["ROUTES"]
