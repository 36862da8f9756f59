"""How much memory a command may take, and has taken."""

import platform
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from rfconv_cli.config import Settings
from rfconv_cli.table.large import memory_of
from rfconv_cli.table.room import IN_MEMORY, Room, free_memory, nearest_folder, size_of

_SHARE = 0.5  # of what is free, where the user does not say


def room_for(tables: Sequence[Path], settings: Settings, folder: Path, notice: Callable[[str], None]) -> Room:
    """Memory for what is made of these tables, or files in `folder` (or above) where it takes more than is allowed.

    `notice` is told the latter. Raises DataError where a table is not there.
    """
    need = sum(map(memory_of, tables)) * max(1, settings.window // settings.stride)
    most = int(_SHARE * free_memory()) if settings.max_memory is None else size_of(settings.max_memory)
    if need <= most:
        return IN_MEMORY
    where = nearest_folder(folder)
    notice(
        f"the rows would take about {_in_words(need)} of memory, and {_in_words(most)} may be used (--max-memory): "
        f"they lie in files in {where.name or 'this folder'}, about {_in_words(need // 2)}, until this ends"
    )
    return Room(where)


def _in_words(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def peak_memory() -> int:
    """Largest resident memory of this process so far, in bytes."""
    info = psutil.Process().memory_info()
    if peak := getattr(info, "peak_wset", None):  # Windows
        return int(peak)
    import resource  # Unix only

    unit = 1 if platform.system() == "Darwin" else 1024
    return max(int(info.rss), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)
