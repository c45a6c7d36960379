"""Shares for guests: a page without scripts, or JSON for programs (docs/shares.md)."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qs, quote

from pydantic import BaseModel, Field

from gateway.families.shares import page
from gateway.families.shares.drops import receive_files
from gateway.families.shares.guest_files import SharedAnswer, archive_reply
from gateway.families.shares.guest_shapes import Dropped, SharedFile, SharedPage
from gateway.http import fields
from gateway.http.exchange import Body
from gateway.http.json_body import read_json
from gateway.http.problems import problem_for
from gateway.http.reply import Header, JsonReply, Reply, header, json_reply
from gateway.http.shapes import rfc3339
from gateway.operations.addresses import address_of, base_url
from gateway.operations.routing import Routes
from gateway.upstream.call import Call
from gateway.upstream.downloads import answer_reply
from gateway.upstream.rpcs import GET_SHARED, LIST_SHARED, OPEN_SHARE
from servicekit.presentation import shown_name
from strongroom.enum_words import enum_word
from strongroom.errors import (
    InvalidField,
    PermissionDenied,
    ShareNotFound,
    SharePasswordWrong,
    SizeLimitExceeded,
    StrongroomError,
)
from strongroom.storage.v1 import guest_pb2 as pb

PREFIX: Final = "/s/"
ONE: Final = PREFIX + "{token}"
COOKIE: Final = "strongroom_share"
PAGE: Final = 100
_MAX_FORM_BYTES: Final = 8192
open_routes = Routes("shares", public=True)


class PasswordBody(BaseModel):
    """The password of a share."""

    password: str = Field(default="", max_length=256)


@open_routes.add("GET", ONE)
async def read_share(call: Call) -> Reply | JsonReply[SharedPage]:
    """The shared files, or the form that asks for the password."""
    try:
        return await _share_page(call)
    except StrongroomError as error:
        return _failed(call, error)


@open_routes.add("POST", ONE)
async def open_share(call: Call) -> Reply | JsonReply[SharedPage]:
    """Open the share, with its password if it has one."""
    try:
        _refuse_other_sites(call)
        return await _opened(call)
    except StrongroomError as error:
        return _failed(call, error)


@open_routes.add("GET", ONE + "/file/{item:path}")
async def read_shared_file(call: Call) -> Reply:
    """One file's bytes."""
    request = pb.DownloadSharedRequest(token=_token(call), session=_session(call), item=call.path["item"])
    try:
        attachment = call.query("download") is not None
        return await answer_reply(SharedAnswer(call, request, attachment=attachment))
    except StrongroomError as error:
        return _failed(call, error)


@open_routes.add("GET", ONE + "/archive")
async def read_shared_archive(call: Call) -> Reply:
    """All files as a ZIP."""
    token, session = _token(call), _session(call)
    try:
        share = (await call.ask(GET_SHARED, pb.GetSharedRequest(token=token, session=session))).share
        name = f"{shown_name(share.title)[:80] or 'shared'}.zip"
        return await archive_reply(call, pb.DownloadSharedArchiveRequest(token=token, session=session), name)
    except StrongroomError as error:
        return _failed(call, error)


@open_routes.add("POST", ONE + "/files")
async def drop_files(call: Call) -> Reply | JsonReply[Dropped]:
    """Put files into a drop."""
    token, session = _token(call), _session(call)
    try:
        _refuse_other_sites(call)
        share = (await call.ask(GET_SHARED, pb.GetSharedRequest(token=token, session=session))).share
        sent, refused = await receive_files(call, token, session)
        if not sent:
            raise InvalidField("No file was sent in the field file.", field="file", rule="required")
        if refused is not None and not any(file["stored"] for file in sent) and not _wants_html(call):
            raise refused
    except StrongroomError as error:
        return _failed(call, error)
    if not _wants_html(call):
        answer: Dropped = {"files": sent}
        return json_reply(answer, 201)
    status = 201 if refused is None or any(file["stored"] for file in sent) else refused.http_status
    return page.page("Sent", _drop_form(call, share, sent), status=status)


async def _share_page(call: Call) -> Reply:
    token, session = _token(call), _session(call)
    look = await call.ask(GET_SHARED, pb.GetSharedRequest(token=token, session=session))
    share, cookies = look.share, []
    if not share.is_open:
        return _door(call, share)
    if not session:  # guests need no session here, except to be counted
        opened = await call.ask(OPEN_SHARE, pb.OpenShareRequest(token=token))
        session, cookies = opened.session, [_cookie(call, opened.session, opened)]
    request = pb.ListSharedRequest(
        token=token, session=session, page_size=PAGE, page_token=fields.page_token(call, "page_token")
    )
    found = await call.ask(LIST_SHARED, request)
    files = [_file(call, item) for item in found.items]
    if not _wants_html(call):
        return json_reply(_answer(share, files, found.next_page_token), headers=cookies, secret=True)
    path, until = _path(call), _until(share)
    if share.kind == pb.SHARED_KIND_DROP:
        return page.page(share.title or "Send files", _drop_form(call, share, ()), more=cookies)
    body = page.listing(path, share.title, files, until=until, next_token=found.next_page_token)
    return page.page(share.title or "Shared with you", body, more=cookies)


async def _opened(call: Call) -> Reply:
    token, session = _token(call), _session(call)
    password = await _password(call)
    if session:
        known = await call.ask(GET_SHARED, pb.GetSharedRequest(token=token, session=session))
        if known.share.is_open:  # a reload, or a link from elsewhere, is not a second use
            return _after_opening(call, known.share, [])
    await call.services.limiter.share_opening(address_of(call.services, call.scope))
    try:
        opened = await call.ask(OPEN_SHARE, pb.OpenShareRequest(token=token, password=password))
    except SharePasswordWrong as error:
        if not _wants_html(call):
            raise
        body = page.door(_path(call), password=True, problem=error.message)
        return page.page("Shared with you", body, status=403)
    return _after_opening(call, opened.share, [_cookie(call, opened.session, opened)])


def _after_opening(call: Call, share: pb.GuestShare, cookies: list[Header]) -> Reply:
    if _wants_html(call):
        return Reply(
            303, b"", [header("location", _path(call)), header("cache-control", "no-store"), *cookies]
        )
    return json_reply(_answer(share, [], ""), headers=cookies)


def _door(call: Call, share: pb.GuestShare) -> Reply:
    if not _wants_html(call):
        return json_reply(_answer(share, [], ""))
    return page.page("Shared with you", page.door(_path(call), password=share.has_password))


def _failed(call: Call, error: StrongroomError) -> Reply:
    """The problem as a page if a browser asks; its headers (Retry-After) stay."""
    problem = problem_for(error, call.request_id)
    if not _wants_html(call) or error.http_status in {304, 412, 416}:
        raise error
    kept = [pair for pair in problem.headers if pair[0] == b"retry-after"]
    return page.page("Shared with you", page.problem(error.message), status=error.http_status, more=kept)


async def _password(call: Call) -> str:
    """From a form or from JSON; a POST without a body has none."""
    kind = (call.header("content-type") or "").partition(";")[0].strip().lower()
    if kind == "application/json":
        return (await read_json(call, PasswordBody, limit=_MAX_FORM_BYTES)).password
    body = bytearray()
    async for piece in Body(call):
        body += piece
        if len(body) > _MAX_FORM_BYTES:
            raise SizeLimitExceeded(
                f"The form may have {_MAX_FORM_BYTES} bytes.", metadata={"limit": str(_MAX_FORM_BYTES)}
            )
    try:
        values = parse_qs(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=8)
    except ValueError:
        raise InvalidField("The form can't be read.", field="password", rule="form") from None
    password = values.get("password", [""])[-1]
    if len(password) > PasswordBody.model_fields["password"].metadata[0].max_length:
        raise InvalidField("A password has at most 256 characters.", field="password", rule="max_len")
    return password


def _refuse_other_sites(call: Call) -> None:
    """Pages of other sites must not send their visitors' browsers here (Fetch Metadata)."""
    if (call.header("sec-fetch-site") or "").strip().lower() == "cross-site":
        raise PermissionDenied("Open the link itself; forms sent by other sites are refused.")


def _token(call: Call) -> str:
    token = call.path["token"]
    if not (1 <= len(token) <= 128 and token.isascii() and token.isprintable()):
        raise ShareNotFound("This link opens nothing. Check that all of it was copied.")
    return token


def _session(call: Call) -> str:
    """The session in our last cookie; any other value opens nothing."""
    found = ""
    for part in (call.header("cookie") or "").split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE and value.isascii() and len(value) <= 1024:
            found = value
    return found


def _cookie(call: Call, session: str, opened: pb.OpenShareResponse) -> Header:
    """A cookie for this share only, inaccessible to scripts and other sites."""
    secure = "; Secure" if base_url(call).startswith("https://") else ""
    lasts = opened.session_expire_time.ToDatetime()
    expires = lasts.strftime("%a, %d %b %Y %H:%M:%S GMT")
    return header(
        "set-cookie",
        f"{COOKIE}={session}; Path={_path(call)}; Expires={expires}; HttpOnly; SameSite=Strict{secure}",
    )


def _path(call: Call) -> str:
    """The share's path as the browser sees it."""
    return f"{call.scope.get('root_path', '')}{PREFIX}{quote(call.path['token'], safe='')}"


def _wants_html(call: Call) -> bool:
    """A browser's navigation asks for HTML; programs get JSON."""
    accept = call.header("accept") or ""
    return "text/html" in accept and "application/json" not in accept


def _file(call: Call, item: pb.SharedItem) -> SharedFile:
    return {
        "name": item.name,
        "content_type": item.content_type,
        "size": item.size_bytes,
        "updated_at": rfc3339(item.update_time),
        "url": f"{_path(call)}/file/{quote(item.item, safe='/')}",
    }


def _answer(share: pb.GuestShare, files: list[SharedFile], next_token: str) -> SharedPage:
    needs = None if share.is_open else "password" if share.has_password else "opening"
    return {
        "kind": enum_word(pb.SharedKind.DESCRIPTOR, share.kind),  # type: ignore[typeddict-item]  # the words of the shape
        "title": share.title,
        "needs": needs,  # type: ignore[typeddict-item]
        "expires_at": rfc3339(share.expire_time) if share.HasField("expire_time") else None,
        "files": files,
        "next_page_token": next_token or None,
    }


def _until(share: pb.GuestShare) -> str:
    if not share.HasField("expire_time"):
        return ""
    return f"Until {share.expire_time.ToDatetime():%d %B %Y, %H:%M} UTC."


def _drop_form(call: Call, share: pb.GuestShare, sent: object) -> str:
    return page.drop_form(
        _path(call),
        share.title,
        until=_until(share),
        most=share.max_file_bytes,
        types=list(share.content_types),
        sent=sent,  # type: ignore[arg-type]
    )
