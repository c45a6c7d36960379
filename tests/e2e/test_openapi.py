"""schemathesis over /openapi.json: whatever is sent, the answer is no bug and looks as documented."""

from __future__ import annotations

from typing import Any, Final

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import CHECKS, load_all_checks, not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.stack import RunningStack

ENDLESS: Final = "/api/notifications"
"""Server-sent events have no end to wait for."""


def _operations() -> dict[str, Any]:
    """By method and path, of the document that the gateway serves."""
    document = json.loads(json.dumps(openapi_document()))
    schema = schemathesis.openapi.from_dict(document)
    found = [result.ok() for result in schema.get_all_operations()]
    return {one.label: one for one in found if one.path not in ENDLESS}


OPERATIONS: Final = _operations()


@pytest.mark.parametrize("label", sorted(OPERATIONS))
def test_every_operation_keeps_its_word(stack: RunningStack, label: str) -> None:
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
        reply = case.call(base_url=stack.url, headers={"Authorization": f"Bearer {token}"}, timeout=60)
        case.validate_response(reply, checks=CHECKS)

    send()
