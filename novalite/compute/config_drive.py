"""A server's config drive: what it would read from the metadata service, as a small disc, or disk.

ISO 9660 with Joliet and Rock Ridge, or FAT, labelled `config-2`, which is how guests find it (Compute user guide,
"Metadata service").
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from io import BytesIO
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from oslo_config import cfg

from novalite import guest_metadata
from novalite.errors import DriverError
from novalite.guest_metadata.vendor_data import VendorData
from novalite.objects.servers import GuestSpec

LABEL = "config-2"
UNFINISHED = ".part"
VFAT = "vfat"
VFAT_BYTES = 64 << 20
"""More than any user data, files and vendor data; the file is sparse."""
SECONDS = 60
"""For the programs that make a FAT file system."""


class ConfigDrives:
    """Makes those of one host."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self.vendor = VendorData(conf)
        self.format = conf.metadata.config_drive_format
        self.device = "disk" if self.format == VFAT else "cdrom"

    def files(self, spec: GuestSpec) -> dict[str, bytes]:
        """Path to content. Raises VendorDataFailed."""
        tree = guest_metadata.tree(spec, guest_metadata.new_seed(), self.vendor.of(spec))
        return guest_metadata.drive(spec, tree)

    def write(self, path: Path, spec: GuestSpec) -> None:
        """Make the disc at `path`, also where there is one. Raises VendorDataFailed and DriverError."""
        unfinished = path.with_name(path.name + UNFINISHED)
        try:
            unfinished.unlink(missing_ok=True)
            unfinished.touch(0o600)
            if self.format == VFAT:
                disk(unfinished, self.files(spec))
            else:
                unfinished.write_bytes(disc(self.files(spec)))
            unfinished.rename(path)
        except OSError as error:
            raise DriverError(reason=f"a config drive cannot be made at {path}: {error}") from error


def disc(files: Mapping[str, bytes]) -> bytes:
    """The disc with these files. Their plain ISO 9660 names are numbers: who reads those knows longer ones, too."""
    import pycdlib  # a host without config drives need not load it

    iso, numbers, made = pycdlib.PyCdlib(), count(1), {"": ""}
    iso.new(interchange_level=1, vol_ident=LABEL, app_ident_str="novalite", joliet=3, rock_ridge="1.09")
    for path, content in sorted(files.items()):
        above = ""
        for name in path.split("/")[:-1]:
            here = f"{above}/{name}"
            if here not in made:
                made[here] = f"{made[above]}/D{next(numbers):05}"
                iso.add_directory(made[here], rr_name=name, joliet_path=here)
            above = here
        name = path.rpartition("/")[2]
        iso.add_fp(BytesIO(content), len(content), f"{made[above]}/F{next(numbers):05}.;1", rr_name=name,
                   joliet_path=f"/{path}")  # fmt: skip
    out = BytesIO()
    iso.write_fp(out)
    iso.close()
    return out.getvalue()


def disk(path: Path, files: Mapping[str, bytes]) -> None:
    """Make the empty file a disk with these files. Raises DriverError; OSError where they cannot be laid out."""
    from novalite.compute.virt.libvirt import commands

    os.truncate(path, VFAT_BYTES)
    commands.run("mformat", "-i", path, "-v", LABEL, "-T", str(VFAT_BYTES // 512), "-h", "16", "-s", "63", "::",
                 seconds=SECONDS)  # fmt: skip
    with TemporaryDirectory(dir=path.parent, prefix="config-") as folder:  # private: mode 0700
        for name, content in files.items():
            place = Path(folder, name)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        commands.run("mcopy", "-s", "-i", path, *sorted(Path(folder).iterdir()), "::/", seconds=SECONDS)
