"""All tables. Importing this package imports every model module, so that the metadata is whole."""

from importlib import import_module
from pkgutil import iter_modules

from novalite.db.models.base import Base

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

__all__ = ["Base"]
