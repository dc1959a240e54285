"""Servers: routes, actions, schemas and views."""

from novalite.api.routing import Routes

ROUTES = Routes()
