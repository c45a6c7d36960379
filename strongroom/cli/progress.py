"""Progress bars on stderr, if it is a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from strongroom.cli import shown
from strongroom.cli.output import Output
from strongroom.client.uploads import Progress as Report

if TYPE_CHECKING:
    from rich.progress import Progress


class Bars:
    """One bar per transfer in progress; no bars if ``progress`` is None."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress

    @contextmanager
    def transfer(self, name: str) -> Iterator[Report]:
        """Yield a function that takes bytes done and the total, for the bar of one transfer."""
        bars = self._progress
        if bars is None:
            yield _nobody_looks
            return
        task = bars.add_task(shown.line(name), total=None)
        try:
            yield lambda done, total: bars.update(task, completed=done, total=total)
        finally:
            bars.remove_task(task)


def _nobody_looks(_done: int, _total: int | None) -> None:
    """Show nothing."""


@contextmanager
def bars_for(output: Output) -> Iterator[Bars]:
    """Yield the bars of one command."""
    if not output.shows_progress:
        yield Bars(None)
        return
    with output.held(), _rich_progress() as progress:
        yield Bars(progress)


def _rich_progress() -> Progress:
    """Import rich, which takes a tenth of a second, only if bars are shown."""
    from rich import progress  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415

    return progress.Progress(
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(),
        progress.DownloadColumn(binary_units=True),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,
    )
