"""How many imports one user may have queued."""

from __future__ import annotations

import pytest

from servicekit.auth.principal import Principal
from storage_service.uploads.importing import permits
from storage_service.uploads.importing.permits import ImportQueue
from strongroom.errors import RateLimited
from strongroom.metadata.v1.target_pb2 import UploadSpec


@pytest.fixture(autouse=True)
def alice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(permits, "current_principal", lambda: Principal("alice"))


def batch(size: int, user: str = "") -> list[UploadSpec]:
    return [UploadSpec(user_id=user)] * size


def refused(imports: ImportQueue, specs: list[UploadSpec]) -> RateLimited | None:
    try:
        with imports.places(specs):
            return None
    except RateLimited as error:
        return error


def test_a_batch_counts_as_many_as_it_has_items() -> None:
    imports = ImportQueue(10)
    with imports.places(batch(8)):
        error = refused(imports, batch(3))
        assert error is not None
        assert (error.metadata, error.retry_after) == ({"limit": "user_queued_imports"}, 2.0)
        assert "8; this request brings 3 more" in error.message
        with imports.places(batch(2)):
            assert refused(imports, batch(1)) is not None
        assert refused(imports, batch(2)) is None
    assert refused(imports, batch(10)) is None


def test_others_have_their_own_places() -> None:
    imports = ImportQueue(2)
    with imports.places(batch(2)):
        assert refused(imports, batch(2, "bob")) is None
        assert refused(imports, batch(1, "alice")) is not None
        assert refused(imports, [*batch(1, "bob"), *batch(1)]) is not None
        assert refused(imports, batch(2, "bob")) is None  # the refused batch was not counted


def test_an_end_by_an_error_gives_the_places_back() -> None:
    imports = ImportQueue(1)
    with pytest.raises(RuntimeError), imports.places(batch(1)):
        raise RuntimeError
    assert refused(imports, batch(1)) is None


def test_a_batch_above_the_cap_is_let_in_alone() -> None:
    imports = ImportQueue(5)
    with imports.places(batch(50)):
        assert refused(imports, batch(1)) is not None
    with imports.places(batch(1)):
        assert refused(imports, batch(50)) is not None


def test_no_cap() -> None:
    imports = ImportQueue(0)
    with imports.places(batch(500)):
        assert refused(imports, batch(500)) is None
