"""Checks of botocore's replies: one that ends inside its headers looks like an empty one to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from storage_service.objectstore.errors import StoreUnavailable


def require(reply: object, member: str, operation: str, *, outcome_unknown: bool) -> None:
    """Raises StoreUnavailable for a reply without a member that S3 always sends."""
    found = reply.get(member) if isinstance(reply, Mapping) else None
    if found is None or found in ("", {}):  # False is an answer
        raise StoreUnavailable(
            "The object store's answer is incomplete; try again in a moment.",
            operation=operation,
            outcome_unknown=outcome_unknown,
        )


def next_page(
    page: Mapping[str, Any], current: Mapping[str, Any], markers: Mapping[str, str]
) -> dict[str, Any]:
    """Parameters that ask for the page after this one; none after the last.

    ``markers``: member of the page → parameter of the next request. Raises StoreUnavailable where a listing
    says that it goes on, but not where, or where it has been already.
    """
    if not page["IsTruncated"]:
        return {}
    following = {parameter: page.get(member) for member, parameter in markers.items()}
    named = {parameter: marker for parameter, marker in following.items() if marker}
    if not named or named == current:
        raise StoreUnavailable("The object store's listing is cut off without saying where it goes on.")
    return named
