"""Every flow by kind."""

from novalite.conductor.task import Flow
from novalite.conductor.tasks.change_password import CHANGE_PASSWORD
from novalite.conductor.tasks.create_server import CREATE_SERVER
from novalite.conductor.tasks.delete_server import DELETE_SERVER
from novalite.conductor.tasks.power import POWER
from novalite.conductor.tasks.restore import RESTORE
from novalite.conductor.tasks.signal import SIGNAL
from novalite.conductor.tasks.soft_delete import SOFT_DELETE

FLOWS: dict[str, Flow] = {
    flow.kind: flow
    for flow in (CREATE_SERVER, DELETE_SERVER, SOFT_DELETE, RESTORE, POWER, SIGNAL, CHANGE_PASSWORD)
}
