"""The order of tests."""

from __future__ import annotations

from tests.scheduling import begins

SECONDS = {
    "tests/unit/test_long.py": 10.0,
    "tests/unit/test_short.py": 2.0,
    "tests/contract/test_middle.py": 8.0,
    "tests/faults/test_long.py": 30.0,
    "tests/faults/test_middle.py": 20.0,
    "tests/faults/test_short.py": 10.0,
}


def test_the_longest_of_each_kind_goes_first_and_what_computes_is_spread() -> None:
    begin = begins(SECONDS, 2)
    assert sorted(begin, key=lambda scope: begin[scope]) == [
        "tests/faults/test_long.py",
        "tests/unit/test_long.py",
        "tests/contract/test_middle.py",
        "tests/faults/test_middle.py",
        "tests/unit/test_short.py",
        "tests/faults/test_short.py",
    ]


def test_each_kind_may_be_alone_and_so_may_a_worker() -> None:
    for kind in ("tests/unit/", "tests/faults/"):
        alone = {scope: took for scope, took in SECONDS.items() if scope.startswith(kind)}
        for workers in (1, 3):
            assert list(begins(alone, workers).values()) == sorted(begins(alone, workers).values())
            assert begins(alone, workers).keys() == alone.keys()
    assert begins(SECONDS, 1).keys() == SECONDS.keys()
