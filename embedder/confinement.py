"""What a decoder process takes from itself before it sees a stranger's bytes.

Everywhere: memory, CPU time, file size, processes and open files by rlimit. Linux besides: no other process, no program, no
socket, no change to any file (seccomp, on x86-64 and arm64) and no file read but Python's own (Landlock). A kernel without
one of the two goes on with the rest: ``confine`` tells what holds.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import resource
import struct
import sys
from pathlib import Path

NAMES = {
    "memory": "no more addresses than allowed",
    "network": "a network namespace without interfaces",
    "files": "only Python's own files can be opened, for reading",
    "syscalls": "no process, thread, program, socket or signal, and no change to files",
}
MAX_OPEN_FILES = 32
_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _SECCOMP_FILTER = 22, 38, 2
_CLONE_NEWNET = 0x40000000
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


def confine(*, memory_bytes: int) -> frozenset[str]:
    """Cannot be taken back. ``memory_bytes`` come on top of the addresses already in use. Which of NAMES hold afterwards."""
    _be_first_to_go()
    held = {"network"} if _leave_the_network() else set()
    readable = _readable_folders()
    if _limit_resources(memory_bytes):
        held.add("memory")
    if sys.platform == "linux" and _no_new_privileges():
        held |= {"files"} if _read_only(readable) else set()
        held |= {"syscalls"} if _refuse_syscalls() else set()
    return frozenset(held)


def limit_cpu(*, seconds: int) -> None:
    """From now on this process may compute for so long; then SIGXCPU ends it."""
    spent = resource.getrusage(resource.RUSAGE_SELF)
    _hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    soft = int(spent.ru_utime + spent.ru_stime) + 1 + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (soft, _hard))


def _be_first_to_go() -> None:
    """When the machine runs out of memory, the kernel takes the decoder and not the process that holds the model."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def _limit_resources(memory_bytes: int) -> bool:
    """Whether the memory limit holds; macOS refuses it."""
    address_limit = _addresses_in_use() + memory_bytes
    for limit, value in (
        (resource.RLIMIT_CORE, 0),  # a core file would hold the picture
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),  # no process, no thread; root is exempt, seccomp is not
        (resource.RLIMIT_NOFILE, MAX_OPEN_FILES),
    ):
        resource.setrlimit(limit, (value, value))
    try:
        resource.setrlimit(resource.RLIMIT_AS, (address_limit, address_limit))
    except (OSError, ValueError):
        return False
    return sys.platform == "linux"


def _addresses_in_use() -> int:
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    except OSError:
        return 0


def _leave_the_network() -> bool:
    """A network namespace of its own without any interface; only root may, and only on Linux."""
    return sys.platform == "linux" and int(_libc().unshare(_CLONE_NEWNET)) == 0


def _no_new_privileges() -> bool:
    return int(_libc().prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) == 0


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


# --- Landlock: which files can be opened ---------------------------------------------------------------------------

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_ABI_VERSION, _PATH_BENEATH = 1, 1
_READ = 1 << 2 | 1 << 3  # files and folders
_FILE_RIGHTS = (13, 13, 14, 15, 15, 16)  # how many rights the ABI knows, by version; the last holds from there on


def _readable_folders() -> list[Path]:
    """Python's own: modules may still be imported while decoding. The folder around ``embedder`` is no part of it."""
    package = Path(__file__).resolve().parent
    folders = {Path(entry).resolve() for entry in sys.path if entry} - {package.parent, Path("/")}
    if package.parent.name == "site-packages":
        folders.add(package.parent)
    return [folder for folder in sorted({*folders, package, Path("/lib"), Path("/usr/lib"), Path("/lib64")}) if folder.exists()]


def _read_only(folders: list[Path]) -> bool:
    """Nothing is opened from here on except for reading below ``folders``."""
    libc = _libc()
    version = int(libc.syscall(_CREATE_RULESET, None, 0, _ABI_VERSION))
    if version < 1:
        return False
    handled = struct.pack("=Q", (1 << _FILE_RIGHTS[min(version, len(_FILE_RIGHTS) - 1)]) - 1)
    ruleset = int(libc.syscall(_CREATE_RULESET, handled, len(handled), 0))
    if ruleset < 0:
        return False
    for folder in folders:
        _allow_reading(libc, ruleset, folder)
    restricted = int(libc.syscall(_RESTRICT_SELF, ruleset, 0)) == 0
    os.close(ruleset)
    return restricted


def _allow_reading(libc: ctypes.CDLL, ruleset: int, folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    allowed = _READ if folder.is_dir() else 1 << 2
    libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", allowed, descriptor), 0)
    os.close(descriptor)


# --- seccomp: which system calls are refused -----------------------------------------------------------------------

_EVERYWHERE = {
    "pidfd_send_signal": 424, "io_uring_setup": 425, "open_tree": 428, "move_mount": 429, "fsopen": 430, "pidfd_open": 434,
    "clone3": 435, "openat2": 437, "pidfd_getfd": 438, "fchmodat2": 452,
}  # fmt: skip
_X86_64 = {
    "socket": 41, "connect": 42, "accept": 43, "bind": 49, "listen": 50, "socketpair": 53, "clone": 56, "fork": 57, "vfork": 58,
    "execve": 59, "kill": 62, "truncate": 76, "ftruncate": 77, "rename": 82, "mkdir": 83, "rmdir": 84, "creat": 85, "link": 86,
    "unlink": 87, "symlink": 88, "chmod": 90, "fchmod": 91, "chown": 92, "fchown": 93, "lchown": 94, "ptrace": 101,
    "rt_sigqueueinfo": 129, "mknod": 133, "mount": 165, "tkill": 200, "tgkill": 234, "keyctl": 250, "mkdirat": 258,
    "mknodat": 259, "fchownat": 260, "unlinkat": 263, "renameat": 264, "linkat": 265, "symlinkat": 266, "fchmodat": 268,
    "unshare": 272, "rt_tgsigqueueinfo": 297, "open_by_handle_at": 304, "setns": 308, "process_vm_readv": 310,
    "process_vm_writev": 311, "renameat2": 316, "bpf": 321, "execveat": 322, "userfaultfd": 323,
}  # fmt: skip
_ARM64 = {
    "mknodat": 33, "mkdirat": 34, "unlinkat": 35, "symlinkat": 36, "linkat": 37, "renameat": 38, "mount": 40, "truncate": 45,
    "ftruncate": 46, "fchmod": 52, "fchmodat": 53, "fchownat": 54, "fchown": 55, "unshare": 97, "ptrace": 117, "kill": 129,
    "tkill": 130, "tgkill": 131, "rt_sigqueueinfo": 138, "socket": 198, "socketpair": 199, "bind": 200, "listen": 201,
    "accept": 202, "connect": 203, "keyctl": 219, "clone": 220, "execve": 221, "rt_tgsigqueueinfo": 240,
    "open_by_handle_at": 265, "setns": 268, "process_vm_readv": 270, "process_vm_writev": 271, "renameat2": 276, "bpf": 280,
    "execveat": 281, "userfaultfd": 282,
}  # fmt: skip

# per machine: the audit name of the architecture, the refused calls, and (call, argument, bits) refused when a bit is set
_MACHINES = {
    "x86_64": (0xC000003E, _X86_64, ((2, 1, _WRITING), (257, 2, _WRITING), (302, 0, 0xFFFFFFFF))),  # open, openat, prlimit64
    "aarch64": (0xC00000B7, _ARM64, ((56, 2, _WRITING), (261, 0, 0xFFFFFFFF))),  # openat, prlimit64 of another process
}
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | 1  # refuse: the call returns EPERM
_CALL_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16
_X32_CALLS = 0x40000000  # the same calls under other numbers


def _refuse_syscalls() -> bool:
    if platform.machine() not in _MACHINES:
        return False
    program = b"".join(struct.pack("=HBBI", *step) for step in _filter(*_MACHINES[platform.machine()]))
    steps = ctypes.create_string_buffer(program)
    pointer = struct.pack("@HP", len(program) // 8, ctypes.addressof(steps))
    return int(_libc().prctl(_PR_SET_SECCOMP, _SECCOMP_FILTER, pointer, 0, 0)) == 0


def _filter(
    architecture: int, refused: dict[str, int], conditional: tuple[tuple[int, int, int], ...]
) -> list[tuple[int, int, int, int]]:
    """Steps of (operation, skip if true, skip if false, value): whatever is not refused is allowed."""
    steps = [(_LOAD, 0, 0, _ARCHITECTURE_AT), (_EQUAL, 1, 0, architecture), (_RETURN, 0, 0, _REFUSE)]
    steps += [(_LOAD, 0, 0, _CALL_AT), (_AT_LEAST, 0, 1, _X32_CALLS), (_RETURN, 0, 0, _REFUSE)]
    for call in sorted({*refused.values(), *_EVERYWHERE.values()}):
        steps += [(_EQUAL, 0, 1, call), (_RETURN, 0, 0, _REFUSE)]
    for call, argument, bits in conditional:
        steps += [(_EQUAL, 0, 4, call), (_LOAD, 0, 0, _ARGUMENTS_AT + 8 * argument), (_ANY_BIT, 0, 1, bits)]
        steps += [(_RETURN, 0, 0, _REFUSE), (_RETURN, 0, 0, _ALLOW)]
    return [*steps, (_RETURN, 0, 0, _ALLOW)]
