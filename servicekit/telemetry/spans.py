"""What a span is to those who begin and end one; who records them is ``otel``'s business."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

Kind = Literal["server", "client", "internal"]
Value = str | int | float | bool


class Span(Protocol):
    """One that has begun."""

    @property
    def traceparent(self) -> str:
        """Its W3C trace context, for what is below it."""
        ...

    def end(self, attributes: Mapping[str, Value], *, error: str = "", name: str = "") -> None:
        """It is over. ``error``: one word, where it failed; ``name``: one that was not known before."""
        ...


class Recorder(Protocol):
    """Begins the spans of one service."""

    def begin(
        self, name: str, kind: Kind, parent: str, attributes: Mapping[str, Value], links: tuple[str, ...] = ()
    ) -> Span:
        """A span below ``parent`` (a ``traceparent``, or ``""``: a trace of its own)."""
        ...

    def close(self) -> None:
        """Export what is left; blocks for as long as the exporter's time-out allows."""
        ...
