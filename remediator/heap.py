"""How this process holds its memory: what is shared with a fork stays shared, and what a large body took goes back.

The rule of this file: nothing here can fail. Where the C library is not glibc, memory is only held for longer.
"""

import ctypes
import gc

ONE_ARENA, MMAP_THRESHOLD = -8, -3
"""M_ARENA_MAX and M_MMAP_THRESHOLD of malloc.h."""

LARGE_BYTES = 256 * 1024
"""From here on a block of memory is a mapping of its own, which goes back when it is freed."""


def begin() -> None:
    """Collect no garbage for now: nearly all that a start makes is there to stay, and looking through it takes time."""
    gc.disable()


def end() -> None:
    """Collect garbage again, where a start came to nothing."""
    gc.enable()


def settle() -> None:
    """Before the fork: all that is there is never looked at again, and garbage is collected from here on.

    A collection writes to every object that it looks at, and a page that is written to is no longer shared.
    """
    gc.freeze()
    gc.enable()
    # glibc would give each thread an arena of its own, of which it gives nothing back, and would raise the threshold
    # to that of the largest body so far.
    _call("mallopt", ONE_ARENA, 1)
    _call("mallopt", MMAP_THRESHOLD, LARGE_BYTES)


def give_back() -> None:
    """Return to the system what is free; takes up to some milliseconds."""
    _call("malloc_trim", 0)


def _call(function: str, *arguments: int) -> None:
    if found := getattr(_library, function, None):
        found(*arguments)


_library = ctypes.CDLL(None)
