"""Services with different secrets: no client is told that its token is wrong, and the log names the cause."""

from __future__ import annotations

from tests.faults.cell import Cell
from tests.faults.client import http_client
from tests.faults.test_two_storages import put

UPLOADS = 20
OWNER = "unequal"
OTHER = "of-another-installation-0123456789abcdef"


def test_an_internal_secret_that_differs_is_nobodys_401(cell: Cell) -> None:
    cell.run()
    with (
        cell.second_storage(STRONGROOM_INTERNAL_SECRET=OTHER) as storage,
        cell.second_gateway(storage, path="/healthz") as url,
        http_client(cell, OWNER, url) as http,
    ):
        replies = [put(http) for _ in range(UPLOADS)]
        assert {reply.status_code for reply in replies} == {503}
        for reply in replies:
            assert reply.json()["code"] == "INTERNAL_TOKEN_INVALID"
            assert int(reply.headers["retry-after"]) > 0
            assert "token are not at fault" in reply.json()["detail"]
            assert "SECRET" not in reply.text
        assert http.get("/api/v1/s3/file/none").status_code in {404, 503}  # nor is a read's
        checks = http.get("/readyz").json()["checks"]
        assert checks["internal"] != "ok"
        told = cell.log("metadata", 400)
        assert "internal_credential_refused" in told
        assert "STRONGROOM_INTERNAL_SECRET differs" in told
        assert "internal_call_refused" in cell.log("storage-2", 400)
        assert OTHER not in told
    with http_client(cell, OWNER) as http:
        assert put(http).status_code == 201


def test_a_gateway_secret_that_differs_is_nobodys_401(cell: Cell) -> None:
    """The gateway's statements are not trusted: the services count every caller, and judge tokens by their
    own clocks.
    """
    cell.run()
    with (
        cell.second_gateway(cell.storage_address, STRONGROOM_GATEWAY_SECRET=OTHER) as url,
        http_client(cell, OWNER, url) as http,
    ):
        statuses = {put(http).status_code for _ in range(UPLOADS)}
        assert 201 in statuses
        assert statuses <= {201, 503}  # the latter on a busy machine
        assert OTHER not in cell.log("storage", 400)
