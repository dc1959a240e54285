"""Does KVM work here? Found out by running a few instructions, because its presence proves nothing.

Some virtual machines offer /dev/kvm without hardware virtualisation behind it; QEMU starts there
and its guests hang. libvirt's capabilities list kvm all the same.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

X86 = ("x86_64", "i686")
VIRTUALISATION_FLAGS = {"vmx", "svm"}
EXIT_CODE = 33  # isa-debug-exit ends QEMU with (value written << 1) | 1

FIRMWARE_SIZE = 64 * 1024
RESET_VECTOR = FIRMWARE_SIZE - 16
# mov al, 16; mov dx, 0xf4; out dx, al; hlt
PROGRAM = bytes([0xB0, 0x10, 0xBA, 0xF4, 0x00, 0xEE, 0xF4])


@dataclass(frozen=True)
class Verdict:
    """`works`, and why (not) in a few words for the log."""

    works: bool
    why: str


def kvm(arch: str, emulator: str | None, device: Path = Path("/dev/kvm"), seconds: float = 3.0) -> Verdict:
    """Whether guests of `arch` run under KVM on this host. Takes 0.1 s, or `seconds` where it hangs."""
    if not device.exists():
        return Verdict(False, f"there is no {device}")
    if not os.access(device, os.R_OK | os.W_OK):
        return Verdict(False, f"{device} may not be used by this user; add it to group kvm")
    if arch not in X86 or arch not in (os.uname().machine, "i686"):
        return Verdict(arch == os.uname().machine, f"{device} is there, and guests are {arch}")
    if not VIRTUALISATION_FLAGS & _cpu_flags():
        return Verdict(False, "the processor shows no hardware virtualisation (neither vmx nor svm)")
    if emulator is None:
        return Verdict(True, "the processor has hardware virtualisation")
    return _try(emulator, seconds)


def _cpu_flags(cpuinfo: Path = Path("/proc/cpuinfo")) -> set[str]:
    for line in cpuinfo.read_text().splitlines():
        if line.startswith("flags"):
            return set(line.partition(":")[2].split())
    return set()


def firmware() -> bytes:
    """A BIOS that ends QEMU with EXIT_CODE from its first instructions."""
    image = bytearray(b"\x90" * FIRMWARE_SIZE)
    image[RESET_VECTOR : RESET_VECTOR + len(PROGRAM)] = PROGRAM
    return bytes(image)


def run(emulator: str, accelerator: str, seconds: float) -> int | None:
    """QEMU's exit code after running `firmware()`; None when it hangs. OSError when it cannot start."""
    with tempfile.NamedTemporaryFile(prefix="novalite-kvm-") as file:
        file.write(firmware())
        file.flush()
        argv = [emulator, "-machine", f"pc,accel={accelerator}", "-m", "16", "-nodefaults", "-no-user-config"]
        argv += ["-display", "none", "-no-reboot", "-bios", file.name]
        argv += ["-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"]
        try:
            done = subprocess.run(argv, capture_output=True, stdin=subprocess.DEVNULL, timeout=seconds)
        except subprocess.TimeoutExpired:
            return None
    return done.returncode


def _try(emulator: str, seconds: float) -> Verdict:
    try:
        code = run(emulator, "kvm", seconds)
    except OSError as error:
        return Verdict(False, f"{emulator} could not be run: {error}")
    if code == EXIT_CODE:
        return Verdict(True, "a guest of a few instructions ran")
    ended = "hung" if code is None else f"ended with code {code}"
    return Verdict(False, f"a guest of a few instructions {ended}")
