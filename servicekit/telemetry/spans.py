"""The interface of spans for those who begin and end them; ``otel`` records them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

Kind = Literal["server", "client", "internal"]
Value = str | int | float | bool


class Span(Protocol):
    """A span that has begun."""

    @property
    def traceparent(self) -> str:
        """Its W3C trace context, for child spans."""
        ...

    def end(self, attributes: Mapping[str, Value], *, error: str = "", name: str = "") -> None:
        """End the span. ``error``: one word, if the work failed; ``name``: a name that was not known at the
        beginning.
        """
        ...


class Recorder(Protocol):
    """Begins the spans of one service."""

    def begin(
        self, name: str, kind: Kind, parent: str, attributes: Mapping[str, Value], links: tuple[str, ...] = ()
    ) -> Span:
        """A span below ``parent`` (a ``traceparent``, or ``""``: a new trace)."""
        ...

    def close(self) -> None:
        """Export the remaining spans; blocks for up to the exporter's time-out."""
        ...
