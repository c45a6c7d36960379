"""Imported by every Python that starts with this folder on PYTHONPATH: makes our services record which of
their functions run.

SIGUSR1 ends a window: the functions entered since the last one are written to
``$FLOW_TRACES/<service>-<pid>-<window>.txt``, with lines ``file<TAB>line<TAB>name``, and the next window
begins.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

_SERVICES = {"gateway", "storage_service", "metadata_service"}
_ROOT = str(Path(__file__).resolve().parents[3])


def _install(service: str, folder: Path) -> None:
    entered: set[CodeType] = set()
    windows = iter(range(1, 1 << 30))

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            entered.add(frame.f_code)

    def end_window(_number: int, _frame: FrameType | None) -> None:
        lines = {
            f"{code.co_filename.removeprefix(_ROOT + '/')}\t{code.co_firstlineno}\t{code.co_qualname}"
            for code in entered.copy()
            if code.co_filename.startswith(_ROOT) and "/.venv/" not in code.co_filename
        }
        entered.clear()
        told = folder / f"{service}-{os.getpid()}-{next(windows)}.txt"
        draft = told.with_suffix(".draft")
        draft.write_text("\n".join(sorted(lines)))
        draft.rename(told)

    signal.signal(signal.SIGUSR1, end_window)
    threading.setprofile(note)
    sys.setprofile(note)


def _begin() -> None:
    folder = os.environ.get("FLOW_TRACES")
    words = sys.orig_argv
    if folder and "-m" in words:
        module = words[words.index("-m") + 1 :][:1]
        if module and module[0] in _SERVICES:
            _install(module[0], Path(folder))


_begin()
