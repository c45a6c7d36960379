"""Many cases in parallel, each with its own owner, and one drain for all."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol, TypeVar

import pytest

from tests.faults.cell import Cell
from tests.faults.checker import Expected, Upload
from tests.faults.client import delete

T = TypeVar("T")
#: More than cores: a case mostly waits.
AT_ONCE: Final = 16


class Played(Protocol):
    """One case. ``holds``: whether its file exists after the drain."""

    owner: str
    upload: Upload
    holds: Expected

    def play(self) -> None:
        """Run until the client has its answer and the fault is over."""

    def repeat(self) -> None:
        """A repeat gets the same file; a deleted file stays deleted."""


def wave(cases: Iterable[T], act: Callable[[T], None], at_once: int = AT_ONCE) -> Mapping[T, list[str]]:
    """Run this for each. Returns the problems by case."""

    def tried(case: T) -> list[str]:
        try:
            act(case)
        except Exception:  # noqa: BLE001 - reported as this case's outcome only
            return [traceback.format_exc()]
        return []

    chosen = list(cases)
    with ThreadPoolExecutor(at_once) as pool:
        return dict(zip(chosen, pool.map(tried, chosen), strict=True))


def outcomes_of(cell: Cell, scenes: Mapping[T, Played]) -> Mapping[T, list[str]]:
    """Play all; check after the drain, after all were repeated, and after all were deleted. Returns the
    problems by case.
    """
    wrong: dict[T, list[str]] = {case: [] for case in scenes}

    def together(act: Callable[[Played], None]) -> None:
        for case, problems in wave(scenes, lambda case: act(scenes[case])).items():
            wrong[case] += problems
        cell.s3.disarm()  # a failed case must hold nothing back for the others
        cell.end_tombstones(120)

    def look(*, repeated: bool) -> None:
        damage = cell.checker.problems(*(scene.upload for scene in scenes.values()))
        for case, scene in scenes.items():
            wrong[case] += [problem for problem in damage if scene.owner in problem]
            wrong[case] += _not_as_promised(cell, scene, repeated=repeated)

    together(lambda scene: scene.play())
    look(repeated=False)
    together(lambda scene: scene.repeat())
    look(repeated=True)
    together(lambda scene: _delete(cell, scene.upload))
    left = cell.checker.versions()
    for case, scene in scenes.items():
        wrong[case] += [f"left: {one}" for one in left if f"/{scene.owner}/" in one[0]]
    return wrong


def _not_as_promised(cell: Cell, scene: Played, *, repeated: bool) -> list[str]:
    found = len(cell.checker.files(scene.owner, scene.upload.request_id))
    if scene.holds == "hidden":
        right = found == 0
    else:
        right = found == 1 or (found == 0 and scene.holds == "either" and not repeated)
    return [] if right else [f"{found} visible files, must be {scene.holds}"]


def _delete(cell: Cell, upload: Upload) -> None:
    """Delete the file, if it exists."""
    if upload.acked:
        expected = 404 if upload.deleted else 200
        assert delete(cell, upload.owner, upload.acked) == expected


def chosen_of(request: pytest.FixtureRequest, kind: type[T]) -> list[T]:
    """The cases of this module that pytest will run, so that `-k` starts no others."""
    module = request.module.__name__
    found = [
        value
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.module.__name__ == module and hasattr(item, "callspec")
        for value in item.callspec.params.values()
        if isinstance(value, kind)
    ]
    return list(dict.fromkeys(found))
