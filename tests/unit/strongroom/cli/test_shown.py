"""Names, sizes, times and time spans on a terminal."""

from __future__ import annotations

import io
import subprocess
import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.cli import shown

#: What file names and shells can hold.
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain-name_1.txt", "plain-name_1.txt"),
        ("uploads/a/b.png", "uploads/a/b.png"),
        ("", "''"),
        ("two words", "'two words'"),
        ("it's", "'it'\"'\"'s'"),
        ("$(reboot)", "'$(reboot)'"),
        ("[red]", "'[red]'"),
        ("ünï", "'ünï'"),
        ("a\nb", "$'a\\x0ab'"),
        ("a\x1b[31m'\\", "$'a\\x1b[31m\\'\\\\'"),
        ("cod\u202egpj.exe", "$'cod\\xe2\\x80\\xaegpj.exe'"),
        ("caf\udce9", "$'caf\\xe9'"),
    ],
)
def test_names_are_one_word_of_a_shell(text: str, expected: str) -> None:
    assert shown.name(text) == expected


def test_a_shell_reads_the_names_back() -> None:
    names = [
        "a b",
        "it's",
        "a\nb",
        "a\x1b[0mb",
        "\u202eevil",
        "-rf",
        "~",
        "a\\x41",
        "1\x7f2",
        "tab\there",
        "!!",
        "é",
    ]
    script = "printf '%s\\0' " + " ".join(shown.name(name) for name in names)
    read = subprocess.run(["bash", "-c", script], capture_output=True, check=True).stdout
    assert read.decode().split("\0")[:-1] == names


@given(texts)
def test_nothing_that_moves_the_cursor_gets_out(text: str) -> None:
    for printed in (shown.name(text), shown.line(text)):
        assert printed.isprintable()


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (5 * 2**30, "5.0 GiB"),
        (2**70, "1048576.0 PiB"),
    ],
)
def test_sizes(count: int, expected: str) -> None:
    assert shown.size(count) == expected


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("0", 0),
        ("1000000", 1_000_000),
        ("12B", 12),
        ("500M", 500 << 20),
        ("500MiB", 500 << 20),
        (" 20 gib ", 20 << 30),
        ("2k", 2048),
        ("1T", 1 << 40),
    ],
)
def test_sizes_are_read_with_short_units_and_long_ones(text: str, count: int) -> None:
    assert shown.bytes_of(text) == count


@pytest.mark.parametrize(
    "text", ["", "M", "-5", "1.5G", "many", "5 MB", "5Bi", "5iB", "\u0665", "\u00b2", "1P", "1_0"]
)
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        shown.bytes_of(text)


def test_times() -> None:
    assert shown.time(None) == "-"
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert shown.time(moment) == moment.astimezone().strftime("%Y-%m-%d %H:%M")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("90s", 90),
        ("15m", 900),
        ("1h", 3600),
        ("1h30m", 5400),
        ("7d", 604800),
        (" 1D1H1M1S ", 90061),
    ],
)
def test_time_spans(text: str, seconds: int) -> None:
    assert shown.duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "soon", "1w", "-5", "1.5h", "m", "1m1h"])
def test_what_is_no_time_span(text: str) -> None:
    with pytest.raises(ValueError, match="not a time span"):
        shown.duration(text)


def test_one_is_no_plural() -> None:
    assert [shown.count(number, "file") for number in (0, 1, 2)] == ["0 files", "1 file", "2 files"]
    assert [shown.count(number, "try", "tries") for number in (1, 2)] == ["1 try", "2 tries"]


def test_a_terminal_of_an_old_locale_gets_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    assert shown.name("caf\u00e9") == "$'caf\\xc3\\xa9'"
    assert shown.line("caf\u00e9") == "caf\\xc3\\xa9"


@pytest.mark.parametrize("text", ["999999999999d", "9" * 30 + "h", "9" * 5000])
def test_a_span_may_be_too_long(text: str) -> None:
    with pytest.raises(ValueError, match="longer than any time span"):
        shown.duration(text)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "tomorrow"])
def test_moments_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time"):
        shown.moment(text)


def test_moments_are_in_utc() -> None:
    assert shown.moment("2026-01-31") == datetime(2026, 1, 31, tzinfo=UTC)
    assert shown.moment("2026-01-31T12:00:00+02:00") == datetime(2026, 1, 31, 10, tzinfo=UTC)


def test_the_end_of_the_calendar_is_shown_east_of_greenwich(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert shown.time(datetime(9999, 12, 31, 23, 59, tzinfo=UTC)) == "9999-12-31 23:59"
    finally:
        monkeypatch.undo()
        time.tzset()
