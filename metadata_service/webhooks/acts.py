"""Records admins' changes of the installation's webhooks in the audit log."""

from __future__ import annotations

from metadata_service import audit
from metadata_service.db.database import Transaction
from metadata_service.webhooks.rows import INSTALLATION
from servicekit.context import current_principal, current_request_id


async def noted(tx: Transaction, owner_id: str, act: str, webhook_id: object) -> None:
    """Runs in the transaction of the change. Owners' changes of their own webhooks are not recorded."""
    if owner_id == INSTALLATION:
        actor, details = current_principal().subject, {"webhook_id": str(webhook_id)}
        await audit.write(tx, audit.Act(act, actor, details=details, request_id=current_request_id()))
