"""Storage classes that an upload may name."""

from __future__ import annotations

from collections.abc import Collection

from strongroom.errors import InvalidField


def check_class(storage_class: str, allowed: Collection[str]) -> None:
    """:raises InvalidField: the installation lets nobody choose this one. Empty: nothing was chosen."""
    if not storage_class or storage_class in allowed:
        return
    known = ", ".join(sorted(allowed))
    raise InvalidField(
        f"storage_class may be one of: {known}."
        if known
        else "This installation chooses the storage class; leave storage_class out.",
        field="storage_class",
        rule="in",
    )
