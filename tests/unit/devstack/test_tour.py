"""The text printed once the stack is up."""

from __future__ import annotations

from pathlib import Path

import jwt

from devstack import tour
from devstack.tour import development_token

SECRET = "0123456789abcdef0123456789abcdef"


def test_the_token_in_the_line_to_paste_is_valid() -> None:
    text = tour.text("http://127.0.0.1:8080", SECRET, Path("stack.json"), {})
    token = text.partition('curl -f -H "Authorization: Bearer ')[2].partition('"')[0]
    claims = jwt.decode(token, SECRET, algorithms=["HS256"], options={"require": ["sub", "iat", "exp"]})
    assert claims["sub"] == "dev"
    assert "-F file=@README.md http://127.0.0.1:8080/api/v1/s3/upload\n" in text


def test_the_console_is_one_click_away() -> None:
    text = tour.text("http://127.0.0.1:8080", SECRET, Path("stack.json"), {})
    token = text.partition("http://127.0.0.1:8080/console#token=")[2].partition("\n")[0]
    assert jwt.decode(token, SECRET, algorithms=["HS256"])["sub"] == "dev"
    assert "/console" not in tour.text("http://x", SECRET, Path("stack.json"), {"STRONGROOM_CONSOLE": "off"})


def test_the_token_meets_the_callers_rules() -> None:
    rules = {
        "STRONGROOM_JWT_AUDIENCE": "files, other",
        "STRONGROOM_JWT_ISSUER": "us",
        "STRONGROOM_JWT_MAX_LIFETIME_SECONDS": "60",
    }
    claims = jwt.decode(
        development_token(SECRET, rules), SECRET, algorithms=["HS256"], audience="files", issuer="us"
    )
    assert claims["exp"] - claims["iat"] == 60


def test_no_token_is_made_where_another_issuer_signs() -> None:
    text = tour.text("http://gateway", None, Path("stack.json"), {})
    assert "Bearer" not in text
    assert "your own issuer" in text
