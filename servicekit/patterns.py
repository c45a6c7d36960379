"""What the rules' patterns allow, in words: callers should not have to read regular expressions.

The patterns themselves are in the protos and in the gateway's shapes, where generated clients and OpenAPI
read them.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

#: Pattern → what is allowed, to follow the field's name. Every pattern in a request has its words here.
WORDS: Final = MappingProxyType(
    {
        r"^[a-z0-9][a-z0-9_-]{0,127}$": (
            "must be 1 to 128 small letters a-z, digits, hyphens and underscores, the first one a letter or a"
            " digit, such as my-project"
        ),
        r"^[a-z0-9_.-]{1,64}$": (
            "must be 1 to 64 small letters a-z, digits, underscores, dots and hyphens, such as camera.model"
        ),
        r"^[\x21-\x7e]*$": "must be visible ASCII characters without spaces, a UUID for example",
        r"^[A-Z_]{0,32}$": "must be S3's name of a storage class, such as STANDARD_IA",
        r"^[a-z_]{1,32}$": "must be the name of a family, such as generation or event_media",
        r"^msg_[0-9a-f]{32}$": (
            "must be the id of a delivery as webhook-id and the list of deliveries show it: msg_ and 32 of"
            " the characters 0-9 and a-f"
        ),
        r"^[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/([*]|[a-z0-9][a-z0-9!#$&^_.+-]{0,126})$": (
            "must be a media type in small letters without parameters, like image/png, or all of a kind, like"
            " image/*"
        ),
    }
)


def told(pattern: str) -> str:
    """What ``pattern`` allows, in words."""
    return WORDS.get(pattern, "has characters, or a length, that are not allowed here")
