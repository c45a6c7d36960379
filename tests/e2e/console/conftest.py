"""One browser for all tests of the console, on the end-to-end tests' shared stack."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.chromium import Browser, open_browser
from tests.e2e.console.person import Person
from tests.stack import RunningStack


@pytest.fixture(scope="package")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with open_browser("about:blank", tmp_path_factory.mktemp("console") / "profile") as running:
        yield running


@pytest.fixture(scope="package")
def seat(browser: Browser, stack: RunningStack) -> Iterator[Person]:
    """The tab that tests use in turn."""
    with browser.tab() as page:
        yield Person(page, stack)


@pytest.fixture
def person(seat: Person) -> Iterator[Person]:
    """A person who is not signed in. The test fails after errors of scripts or violations of the page's
    policy.
    """
    seat.size(1280, 800)
    yield seat
    assert seat.trouble() == []
