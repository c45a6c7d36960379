"""The services for operators: verification and repair, and cleaning up after a restore."""

from __future__ import annotations

import grpc

from storage_service.attempts.acts import HeldActs
from storage_service.repairing.assembly import RepairedVerifying
from storage_service.restoring.assembly import Restoring
from storage_service.servicers.restore import RestoreServicer, add_restore_service
from storage_service.servicers.verify import VerifyServicer, add_verify_service


class OperatorServices:
    """Both services. ``secret``: the reports' signing key is derived from it."""

    def __init__(
        self, verifying: RepairedVerifying, restoring: Restoring, acts: HeldActs, secret: bytes
    ) -> None:
        self._verify = VerifyServicer(verifying, acts, secret)
        self._restore = RestoreServicer(restoring, acts)

    def add_to(self, server: grpc.aio.Server) -> list[str]:
        """Register both; returns their full names."""
        return [*add_verify_service(server, self._verify), *add_restore_service(server, self._restore)]
