"""Tickets: they open streams for a minute, hide their token, and can't be forged."""

from __future__ import annotations

import base64
import time

import pytest

from gateway.config import GatewaySettings
from gateway.http.tickets import TICKET_SECONDS, Tickets
from strongroom.errors import TokenExpired, TokenInvalid

KEY = bytes(range(32))


def settings(**more: str) -> GatewaySettings:
    return GatewaySettings.model_validate({"jwt_secret": "s" * 32, **more})


@pytest.mark.parametrize("token", ["", "a.b.c", "x" * 8192])
def test_a_ticket_holds_its_token_out_of_sight(token: str) -> None:
    before = time.time()
    ticket, ends = Tickets(KEY).make(token)
    assert before - 1 <= ends - TICKET_SECONDS <= time.time() + 1  # whole seconds
    assert Tickets(KEY).open(ticket) == token
    assert ticket.replace("-", "").replace("_", "").rstrip("=").isalnum()
    seen = base64.urlsafe_b64decode(ticket)
    assert not token or token.encode() not in seen


@pytest.mark.parametrize("ticket", ["", "x", "gAAAAABl", "é\N{SNOWMAN}", "A" * 100_000, "a.b.c", "%00"])
def test_what_is_no_ticket_is_refused(ticket: str) -> None:
    with pytest.raises(TokenInvalid, match="has not made it"):
        Tickets(KEY).open(ticket)


def test_a_ticket_of_another_installation_or_changed_by_a_bit_is_refused() -> None:
    ticket, _ = Tickets(KEY).make("a.b.c")
    with pytest.raises(TokenInvalid):
        Tickets(bytes(32)).open(ticket)
    sealed = bytearray(base64.urlsafe_b64decode(ticket))
    for place in (0, 4, 12, 30, len(sealed) - 1):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(TokenInvalid):
            Tickets(KEY).open(base64.urlsafe_b64encode(changed).decode())


def test_a_ticket_is_over_after_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    ticket, ends = Tickets(KEY).make("a.b.c")
    monkeypatch.setattr(time, "time", lambda: ends - 1.0)
    assert Tickets(KEY).open(ticket) == "a.b.c"
    monkeypatch.setattr(time, "time", lambda: float(ends))
    with pytest.raises(TokenExpired, match="POST /api/notifications/ticket"):
        Tickets(KEY).open(ticket)


def test_gateways_with_one_secret_take_each_others_tickets() -> None:
    one, other = Tickets.from_settings(settings()), Tickets.from_settings(settings())
    assert other.open(one.make("a.b.c")[0]) == "a.b.c"
    keys = {"jwt_secret": None, "jwks_url": "https://issuer.example/jwks", "gateway_secret": "g" * 32}
    first, second = (Tickets.from_settings(GatewaySettings.model_validate(keys)) for _ in range(2))
    assert second.open(first.make("a.b.c")[0]) == "a.b.c"
    internal = Tickets.from_settings(settings(internal_secret="i" * 32))
    with pytest.raises(TokenInvalid):
        internal.open(one.make("a.b.c")[0])
    replaced = Tickets.from_settings(settings(internal_secret="n" * 32, old_internal_secrets="i" * 32))
    assert replaced.open(internal.make("a.b.c")[0]) == "a.b.c"
