"""URLs of previews for browsers: they contain a token.

A browser sends no bearer token for an ``<iframe>``, nor for what its page loads. So the token is a segment of
the path, where relative links keep it. It gives access to the front end of one version of one project, for a
while (``storage.v1.PreviewService``). ``gateway.families.previews`` serves it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.operations.addresses import base_url
from gateway.upstream.call import Call
from gateway.upstream.rpcs import SIGN_PREVIEWS
from servicekit.context import note_message
from strongroom.errors import StrongroomError
from strongroom.metadata.v1.project_pb2 import Project
from strongroom.storage.v1.preview_pb2 import (
    PreviewedVersion,
    SignPreviewsRequest,
    SignPreviewsResponse,
)

PREFIX: Final = "/api/preview/"
INDEX: Final = "index.html"


def preview_url(call: Call, token: str) -> str:
    """The URL of the front end for ``token``. It is absolute, for pages of other origins."""
    return f"{base_url(call)}{PREFIX}{token}/"


def page_at(path: str) -> str:
    """The file for a path of a preview: a folder's start page if it ends with a slash."""
    return f"{path}{INDEX}" if not path or path.endswith("/") else path


async def sign_previews(
    call: Call, versions: Sequence[tuple[Project, int]], seconds: int = 0
) -> SignPreviewsResponse:
    """Tokens for projects at versions, in order. ``seconds`` 0: 15 minutes, unless a setting says otherwise.

    :raises StrongroomError: storage_service refused.
    """
    request = SignPreviewsRequest(
        projects=[
            PreviewedVersion(slug=project.slug, version=version, project_id=project.id)
            for project, version in versions
        ],
        expires_in_seconds=seconds,
        user_id=call.user_id(),
    )
    return await call.ask(SIGN_PREVIEWS, request)


async def urls_of_previews(call: Call, projects: Sequence[Project]) -> tuple[list[str], str | None]:
    """A URL for the newest version of each project, and their stamp (``gateway.operations.polling``).

    If no tokens are available now, these are the routes that need a bearer token, so that the rest of the
    answer is still delivered.
    """
    if not projects:
        return [], ""
    try:
        signed = await sign_previews(call, [(project, project.version) for project in projects])
    except StrongroomError as error:
        note_message(f"answered without preview tokens: {error.message}")
        return [f"{base_url(call)}/api/sandbox-preview/{project.slug}/" for project in projects], None
    return [preview_url(call, token) for token in signed.tokens], signed.stamp or None
