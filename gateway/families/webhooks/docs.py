"""Webhooks: what happens, sent to a URL."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from gateway.families.webhooks import shapes
from gateway.operations.docs import (
    IDEMPOTENCY_KEY,
    IF_NONE_MATCH,
    USER_ID,
    Doc,
    Success,
    in_path,
    polled,
    query,
)

TITLE = "Webhooks"
TEXT = (
    "Events sent to a URL, each as a signed POST (Standard Webhooks): in order for each"
    " file, at least once, with dead letters and replays. Admins manage the"
    " installation's webhooks, which get the events of all users."
)
JSON = "application/json"
ID = in_path("id", "The webhook.", {"type": "string", "format": "uuid"}, shapes.EXAMPLE_ID)
LIMIT = query("limit", "Maximum number.", {"type": "integer", "minimum": 1, "default": 100}, 100)
PAGE_TOKEN = query("page_token", "`next_page_token` of the previous page.", {"type": "string"})
MISSING = ("WEBHOOK_NOT_FOUND",)

_OWN: Final = {
    "create_webhook": Doc(
        "Create a webhook",
        {201: Success("The webhook; only this response contains its secret", {JSON: shapes.Webhook})},
        errors=("WEBHOOK_LIMIT_REACHED", "IDEMPOTENCY_KEY_REUSED"),
        parameters=(USER_ID, IDEMPOTENCY_KEY),
        body=shapes.WebhookBody,
    ),
    "list_webhooks": Doc(
        "List webhooks",
        polled("A page, newest first", {JSON: shapes.WebhookList}),
        errors=("INVALID_PAGE_TOKEN",),
        parameters=(LIMIT, PAGE_TOKEN, USER_ID, IF_NONE_MATCH),
    ),
    "get_webhook": Doc(
        "One webhook",
        {200: Success("The webhook", {JSON: shapes.Webhook})},
        errors=MISSING,
        parameters=(ID, USER_ID),
    ),
    "update_webhook": Doc(
        "Edit a webhook",
        {200: Success("The edited webhook", {JSON: shapes.Webhook})},
        description="`paused: false` reactivates it, also if it was disabled.",
        errors=MISSING,
        parameters=(ID, USER_ID),
        body=shapes.WebhookEditBody,
    ),
    "delete_webhook": Doc(
        "Delete a webhook",
        {204: Success("Deleted, with its deliveries")},
        errors=MISSING,
        parameters=(ID, USER_ID),
    ),
    "rotate_webhook_secret": Doc(
        "Rotate a webhook's secret",
        {201: Success("The webhook; only this response contains its new secret", {JSON: shapes.Webhook})},
        description="Old secrets also sign for `overlap_seconds`, so a receiver can accept either.",
        errors=MISSING,
        parameters=(ID, USER_ID),
        body=shapes.RotationBody,
    ),
    "test_webhook": Doc(
        "Test a webhook",
        {202: Success("A `webhook_ping` will be sent", {JSON: shapes.Delivery})},
        description="It is sent before waiting deliveries. The list of deliveries shows its outcome.",
        errors=MISSING,
        parameters=(ID, USER_ID),
    ),
    "list_webhook_deliveries": Doc(
        "List a webhook's deliveries",
        {200: Success("A page, newest event first", {JSON: shapes.DeliveryList})},
        description="Delivered ones are kept as long as events, dead letters for 30 days.",
        errors=(*MISSING, "INVALID_PAGE_TOKEN"),
        parameters=(
            ID,
            query(
                "state",
                "Only deliveries in this state.",
                {"type": "string", "enum": ["pending", "delivered", "dead"]},
                "dead",
            ),
            LIMIT,
            PAGE_TOKEN,
            USER_ID,
        ),
    ),
    "replay_webhook": Doc(
        "Resend deliveries",
        {202: Success("The deliveries to be sent again", {JSON: shapes.Replayed})},
        description=(
            "Resends one delivery, all dead letters, or all events after one, with the same `webhook-id`."
        ),
        errors=(*MISSING, "OFFSET_OUT_OF_RANGE"),
        parameters=(ID, USER_ID),
        body=shapes.ReplayBody,
    ),
}
DOCS: Final = {
    **_OWN,
    **{
        f"{name}_of_all": replace(
            doc,
            summary=f"{doc.summary} (installation)",
            description=f"{doc.description} For the events of all users: admins only.".strip(),
            errors=(*doc.errors, "PERMISSION_DENIED"),
        )
        for name, doc in _OWN.items()
    },
}
