"""The reference made from the code is complete."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.main import get_command

from gateway.surface import all_operations
from scripts.docs import cli_page, descriptors, errors_page, grpc_page, rest_page, settings_page
from scripts.docs.text import cell, table
from strongroom.cli.app import app
from strongroom.errors import REASONS
from strongroom.setting_names import NAMES
from strongroom.type.v1.error_reason_pb2 import ErrorReason

ROOT = Path(__file__).resolve().parents[4]
#: Of the tests of faults, in no file for users.
INNER = ("STRONGROOM_FAILPOINTS",)


def test_every_setting_has_a_row() -> None:
    page = settings_page.written(ROOT)
    example = (ROOT / ".env.example").read_text()
    wanted = [name for name in NAMES if f"{name}=" in example and not name.startswith(INNER)]
    assert len(wanted) > 150
    assert [name for name in wanted if f"| `{name}` |" not in page] == []
    assert "| `STRONGROOM_LOG_LEVEL` | `info` |" in page


def test_every_reason_has_a_row_with_its_statuses_and_exception() -> None:
    rows = {
        line.split("`")[1]: line for line in errors_page.written(ROOT).splitlines() if line.startswith("| `")
    }
    names = {name.removeprefix("ERROR_REASON_"): number for name, number in ErrorReason.items() if number}
    assert rows.keys() == names.keys()
    assert all(f"`{REASONS[number].__name__}`" in rows[name] for name, number in names.items())
    assert "| 422 | `DATA_LOSS` |" in rows["CHECKSUM_MISMATCH"]


def test_every_rpc_and_message_is_told_of_with_its_comment() -> None:
    pages = grpc_page.pages(ROOT)
    for file in descriptors.files(ROOT):
        page = pages[f"grpc-{file.package.split('.')[1]}.md"]
        for service in file.service:
            assert f"[{service.name}]" in pages["grpc.md"]
            assert all(f"| `{method.name}` |" in page for method in service.method)
        assert all(f"## {message.name}\n" in page for message in file.message_type)
    upload = next(line for line in pages["grpc-storage.md"].splitlines() if line.startswith("| `Upload` |"))
    assert "stream [UploadRequest](#uploadrequest)" in upload


def test_every_operation_is_told_of() -> None:
    page = rest_page.pages()["rest.md"]
    shown = [one for one in all_operations() if not one.hidden]
    assert [one.name for one in shown if f"{{ #{one.name} }}" not in page] == []
    assert f"[Serving]({rest_page.SHAPES}#serving)" in page
    assert "## Serving\n" in rest_page.pages()[rest_page.SHAPES]


def test_every_command_is_told_of() -> None:
    page = cli_page.written()
    root = get_command(app)
    context = root.make_context("strongroom", [], resilient_parsing=True)
    names = [name for name in root.list_commands(context) if not root.get_command(context, name).hidden]  # type: ignore[attr-defined]
    assert [name for name in names if f"## strongroom {name}\n" not in page] == []
    assert "### strongroom admin quota get\n" in page or "### strongroom admin quota\n" in page
    assert "| `--folder`, `-f` | `uploads|documents|audio` |" in page


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a | b", "a \\| b"),
        ("`a|b` | <b>", "`a|b` \\| &lt;b>"),
        ("`<token>`\n  and more", "`<token>` and more"),
        ("", ""),
    ],
)
def test_a_cell_is_one_line_and_no_html(text: str, shown: str) -> None:
    assert cell(text) == shown
    assert table(("a",), []) == ""
