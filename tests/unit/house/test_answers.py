"""Messages for users contain no names of settings or permissions. These are for the operator, whose log has
them as ``advice``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Final

from strongroom import errors
from tests.stack import CHECKOUT

#: ``STRONGROOM_…``, ``AWS_…``, ``S3_…``; permissions; statements; addresses.
_OPERATORS: Final = re.compile(r"\b(?:STRONGROOM|AWS|S3|OTEL)_[A-Z]|\bs3:[A-Z]|\bSELECT \b|\b127\.0\.0|/etc/")
_RAISED: Final = {
    name
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.StrongroomError)
}
#: Of packages whose errors reach users; admins alone get those of repairs (``refused``, of no class above).
_PACKAGES: Final = ("servicekit", "gateway", "storage_service", "metadata_service")


def _texts(call: ast.Call) -> str:
    said = [*call.args, *(word.value for word in call.keywords if word.arg != "advice")]
    parts = (part.value for one in said for part in ast.walk(one) if isinstance(part, ast.Constant))
    return "".join(part for part in parts if isinstance(part, str))


def _answers(source: str) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in _RAISED:
                yield node.lineno, _texts(node)


def test_no_answer_names_what_is_the_operators() -> None:
    found, seen = [], 0
    for package in _PACKAGES:
        for path in sorted((CHECKOUT / package).rglob("*.py")):
            source = path.read_text()
            if not _OPERATORS.search(source):
                continue  # to parse them all takes seconds
            seen += 1
            for line, text in _answers(source):
                if _OPERATORS.search(text):
                    found.append(f"{path.relative_to(CHECKOUT)}:{line}: {text}")
    assert found == []
    assert seen > 20


def test_such_an_answer_would_be_seen() -> None:
    source = 'raise errors.BucketMissing(f"{name} is not there; correct AWS_S3_BUCKET.", advice="AWS_REGION")'
    ((_, text),) = _answers(source)
    assert _OPERATORS.search(text)
    assert "AWS_REGION" not in text
