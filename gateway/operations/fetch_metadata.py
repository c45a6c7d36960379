"""What a browser wants an answer for (Fetch Metadata's ``Sec-Fetch-Dest``; ``Service-Worker``).

Users' bytes are shown and saved, never run in the gateway's origin: a script of one user that a page of ours
loads would act for another, and a service worker would do so for as long as it stays installed. Types and
``nosniff`` don't help where the upload is an honest ``text/javascript``, so the request is refused.
"""

from __future__ import annotations

from typing import Final

from starlette.types import Scope

from gateway.operations.routing import Operation
from strongroom.errors import PermissionDenied

#: Destinations (Fetch section 2.2.5, "script-like", and xslt) that run what they get.
_RUNS: Final = frozenset({b"audioworklet", b"paintworklet", b"script", b"sharedworker", b"worker", b"xslt"})
_SERVICE_WORKER: Final = b"serviceworker"


def refuse_scripts(scope: Scope, operation: Operation) -> None:
    """Raises PermissionDenied where the answer would be run by a page, but for ``Operation.scripts``; as a
    service worker nothing is.
    """
    for name, value in scope["headers"]:
        if name == b"service-worker":
            raise PermissionDenied("Nothing here may be installed as a service worker.")
        if name == b"sec-fetch-dest":
            wanted = value.strip().lower()
            if wanted == _SERVICE_WORKER:
                raise PermissionDenied("Nothing here may be installed as a service worker.")
            if wanted in _RUNS and not operation.scripts:
                raise PermissionDenied(
                    "Stored files are not run as scripts; only a project's preview loads its own."
                )
