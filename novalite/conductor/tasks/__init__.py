"""Every flow by kind."""

from novalite.conductor.task import Flow
from novalite.conductor.tasks.attach_interface import ATTACH_INTERFACE
from novalite.conductor.tasks.change_password import CHANGE_PASSWORD
from novalite.conductor.tasks.confirm_resize import CONFIRM_RESIZE
from novalite.conductor.tasks.create_server import CREATE_SERVER
from novalite.conductor.tasks.delete_server import DELETE_SERVER
from novalite.conductor.tasks.detach_interface import DETACH_INTERFACE
from novalite.conductor.tasks.end_migration import CONFIRM_MIGRATION, REVERT_MIGRATION
from novalite.conductor.tasks.evacuate import EVACUATE
from novalite.conductor.tasks.live_migrate import LIVE_MIGRATE
from novalite.conductor.tasks.migrate import MIGRATE
from novalite.conductor.tasks.offload import OFFLOAD
from novalite.conductor.tasks.power import POWER
from novalite.conductor.tasks.rebuild import REBUILD
from novalite.conductor.tasks.rescue import RESCUE, UNRESCUE
from novalite.conductor.tasks.resize import RESIZE
from novalite.conductor.tasks.restore import RESTORE
from novalite.conductor.tasks.revert_resize import REVERT_RESIZE
from novalite.conductor.tasks.shelve import SHELVE
from novalite.conductor.tasks.signal import SIGNAL
from novalite.conductor.tasks.snapshot import SNAPSHOT
from novalite.conductor.tasks.soft_delete import SOFT_DELETE
from novalite.conductor.tasks.unshelve import UNSHELVE

_ALL = (
    ATTACH_INTERFACE,
    CHANGE_PASSWORD,
    CONFIRM_MIGRATION,
    CONFIRM_RESIZE,
    CREATE_SERVER,
    DELETE_SERVER,
    DETACH_INTERFACE,
    EVACUATE,
    LIVE_MIGRATE,
    MIGRATE,
    OFFLOAD,
    POWER,
    REBUILD,
    RESCUE,
    RESIZE,
    RESTORE,
    REVERT_MIGRATION,
    REVERT_RESIZE,
    SHELVE,
    SIGNAL,
    SNAPSHOT,
    SOFT_DELETE,
    UNRESCUE,
    UNSHELVE,
)
FLOWS: dict[str, Flow] = {flow.kind: flow for flow in _ALL}
