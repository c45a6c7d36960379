"""schemathesis on the OpenAPI document: no request causes a server error, and all answers are as
documented.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.transport.requests import ManagedCookiesSession

from gateway.operations.openapi import build_document
from gateway.surface import all_operations
from tests.stack import RunningStack

ENDLESS: Final = ("/api/notifications",)
"""Server-sent events never end."""
EXAMPLES: Final = 8


def no_error_of_ours(context: Any, reply: Any, case: Any) -> bool | None:
    """No 5xx, except the documented 502 of an import whose source, chosen by the caller, does not answer."""
    if reply.status_code == 502 and reply.json()["code"] == "SOURCE_URL_FAILED":
        return None
    passed: bool | None = not_a_server_error(context, reply, case)
    return passed


CHECKS: Final = (
    no_error_of_ours,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
)


@schemathesis.serializer("application/zip", "application/offset+octet-stream")  # type: ignore[untyped-decorator]
def _raw(_: Any, value: Any) -> bytes:
    """Bytes unchanged."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


def _operations() -> dict[str, Any]:
    """The operations by method and path, from the document that the gateway serves."""
    document = json.loads(json.dumps(build_document(all_operations())))
    schema = schemathesis.openapi.from_dict(document)
    found = [schema[path][method] for path, item in document["paths"].items() for method in item]
    return {one.label: one for one in found if one.path not in ENDLESS}


OPERATIONS: Final = _operations()


@pytest.fixture(scope="module")
def session() -> Iterator[ManagedCookiesSession]:
    """Keeps its connection, which saves a tenth of the work, but no cookies."""
    with ManagedCookiesSession() as made:
        made.trust_env = False
        yield made


# Hypothesis attributes draws from `random` by other threads to the strategy.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
@pytest.mark.parametrize("label", sorted(OPERATIONS))
def test_every_operation_keeps_its_word(
    stack: RunningStack, session: ManagedCookiesSession, label: str
) -> None:
    token = stack.token("schemathesis")

    @given(case=OPERATIONS[label].as_strategy())
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def send(case: Any) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        reply = case.call(base_url=stack.url, session=session, headers=headers, timeout=60)
        case.validate_response(reply, checks=CHECKS)

    send()
