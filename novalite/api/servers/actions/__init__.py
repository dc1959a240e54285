"""POST /servers/{id}/action: every published action name, its body, versions, policy and what it does."""

from novalite.api.servers.actions import consoles, later, locks, networks, power, remote_consoles
from novalite.api.servers.actions.table import ACTIONS

__all__ = ["ACTIONS", "consoles", "later", "locks", "networks", "power", "remote_consoles"]
