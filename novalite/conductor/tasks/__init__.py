"""Every flow by kind."""

from novalite.conductor.task import Flow
from novalite.conductor.tasks.create_server import CREATE_SERVER
from novalite.conductor.tasks.delete_server import DELETE_SERVER
from novalite.conductor.tasks.power import POWER

FLOWS: dict[str, Flow] = {flow.kind: flow for flow in (CREATE_SERVER, DELETE_SERVER, POWER)}
