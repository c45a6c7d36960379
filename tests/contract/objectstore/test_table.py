"""docs/object-store.md has the current results of these tests, for each store."""

from __future__ import annotations

import importlib
import inspect
import json

import pytest

from scripts.store_table import PAGE, RESULTS, TOPICS, Results, page, table, told
from tests.contract.objectstore.backends import BACKENDS

EMBEDDED, MOTO = "embedded (Swift)", "moto"


@pytest.fixture(scope="module")
def results() -> Results:
    found: Results = json.loads(RESULTS.read_text())
    return found


def those_of(module: str) -> set[str]:
    """The tests that use a store."""
    found = importlib.import_module(f"tests.contract.objectstore.{module}")
    asking = {"store", "versioned", "opened", "http_store", "direct", "backend"}
    functions = inspect.getmembers(found, inspect.iscoroutinefunction)
    return {
        name
        for name, function in functions
        if name.startswith("test_") and asking & set(inspect.signature(function).parameters)
    }


def test_the_page_shows_the_results(results: Results) -> None:
    assert page(PAGE.read_text(), results) == PAGE.read_text()
    assert table(results) in PAGE.read_text()


def test_the_results_are_of_the_tests_of_today(results: Results) -> None:
    """`python -m scripts.store_table` renews them."""
    for store in (EMBEDDED, MOTO):
        for module in TOPICS:
            assert set(results[store].get(module, {})) == those_of(module), (store, module)


def test_what_a_store_proves_here_has_passed_there(results: Results) -> None:
    """The embedded store runs everything except browsers' forms, and moto only those."""
    has = {backend.name: backend.has for backend in BACKENDS}
    assert "forms" not in has["swift"]
    for module, tests in results[EMBEDDED].items():
        failed = {name for name, passed in tests.items() if not passed}
        assert not failed or module == "test_direct_forms" or failed == {"test_form"}, (module, failed)
    assert all(results[MOTO]["test_direct_forms"].values())


def test_a_report_is_read_by_module_and_test() -> None:
    report = """<testsuites><testsuite>
    <testcase classname="tests.contract.objectstore.test_put" name="test_a[swift-1]"/>
    <testcase classname="tests.contract.objectstore.test_put" name="test_a[swift-2]"><failure/></testcase>
    <testcase classname="tests.contract.objectstore.test_put" name="test_b[swift]"/>
    <testcase classname="tests.contract.objectstore.test_copy" name="test_c[swift]"><error/></testcase>
    </testsuite></testsuites>"""
    found = told(report)
    assert found == {"test_copy": {"test_c": False}, "test_put": {"test_a": False, "test_b": True}}
    shown = table({"one": found})
    assert "| whole objects are stored, under any name | 1 of 2 |" in shown
    assert "- one does not pass: c; a." in shown
