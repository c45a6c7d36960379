"""Users' bytes never run in the gateway's origin: every operation, by the browser's purpose."""

from __future__ import annotations

import pytest

from gateway.operations.admission import refuse_scripts
from gateway.operations.routing import Operation
from gateway.surface import all_operations
from strongroom.errors import PermissionDenied

OPERATIONS = [pytest.param(one, id=f"{one.method} {one.path}") for one in all_operations()]
RUNS = (b"script", b"worker", b"sharedworker", b"audioworklet", b"paintworklet", b"xslt", b"Script")
SHOWS = (
    b"image",
    b"video",
    b"audio",
    b"document",
    b"iframe",
    b"frame",
    b"object",
    b"style",
    b"font",
    b"empty",
    b"",
)
PREVIEWS = {
    "/api/preview/{token}/",
    "/api/preview/{token}/{path:path}",
    "/api/sandbox-preview/{slug}",
    "/api/sandbox-preview/{slug}/",
    "/api/sandbox-preview/{slug}/{path:path}",
}
OWN_SCRIPTS = {"/docs/{name}", "/console/{version}/{name:path}"}


def refused(operation: Operation, *headers: tuple[bytes, bytes]) -> bool:
    try:
        refuse_scripts({"headers": list(headers)}, operation)
    except PermissionDenied:
        return True
    return False


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation(operation: Operation) -> None:
    assert refused(operation, (b"service-worker", b"script"))
    assert refused(operation, (b"accept", b"*/*"), (b"sec-fetch-dest", b"serviceworker"))
    runs = operation.path not in PREVIEWS | OWN_SCRIPTS
    assert {refused(operation, (b"sec-fetch-dest", wanted)) for wanted in RUNS} == {runs}
    assert not any(refused(operation, (b"sec-fetch-dest", wanted)) for wanted in SHOWS)
    assert not refused(operation)
