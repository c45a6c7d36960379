"""People without an account, who open links and shares."""

from __future__ import annotations

import time

import httpx

from tests.stack import PATIENCE


class _AskingAgain(httpx.HTTPTransport):
    """A picture that was just stored is looked at before others than its owner get it. The process that does
    so gives way to all others, and who has waited for 20 s is told to ask again.
    """

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        begin = time.monotonic()
        while True:
            reply = super().handle_request(request)
            if request.method != "GET" or reply.status_code != 503 or time.monotonic() - begin > PATIENCE:
                return reply
            reply.read()
            if reply.json()["code"] != "OVERLOADED":
                return reply
            time.sleep(0.5)


def stranger(base_url: str = "") -> httpx.Client:
    """A client without a token; the caller closes it."""
    transport = _AskingAgain(verify=False, trust_env=False)
    return httpx.Client(base_url=base_url, transport=transport, timeout=PATIENCE)
