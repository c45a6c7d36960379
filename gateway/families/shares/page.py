"""Pages for guests: HTML without scripts, built only from escaped text.

Each works on a phone, with the keyboard alone and with a screen reader: landmarks, headings, labels, lists,
and file names as links.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final
from urllib.parse import quote

from gateway.families.shares.guest_shapes import DroppedFile, SharedFile
from gateway.families.shares.page_style import POLICY, STYLE
from gateway.http.reply import Header, Reply, header
from servicekit.presentation import is_inert, shown_name

HTML: Final = "text/html; charset=utf-8"
_UNITS: Final = ("B", "KB", "MB", "GB", "TB")


def page(title: str, body: str, *, status: int = 200, more: Iterable[Header] = ()) -> Reply:
    """A whole page. ``title`` is text, ``body`` is our own markup."""
    text = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="robots" content="noindex,nofollow"><meta name="referrer" content="no-referrer">'
        f"<title>{escape(_plain(title))}</title><style>{STYLE}</style></head>"
        f"<body><main>{body}</main></body></html>"
    )
    headers = [
        header("content-type", HTML),
        header("cache-control", "no-store"),
        header("content-security-policy", POLICY),
        header("x-robots-tag", "noindex, nofollow"),
        *more,
    ]
    return Reply(status, text.encode("utf-8", "replace"), headers)


def door(path: str, *, password: bool, problem: str = "") -> str:
    """The form that opens a share."""
    said = f'<p class="bad" role="alert">{escape(problem)}</p>' if problem else ""
    if password:
        field = (
            '<label for="password">Password</label>'
            '<input id="password" name="password" type="password" required maxlength="256" autofocus'
            ' autocomplete="current-password">'
        )
        lead = "Enter the password that you were given with this link."
    else:
        field, lead = "", "This link can be opened a limited number of times, and this counts as one."
    return (
        "<h1>Shared with you</h1>"
        f'<div class="card"><p class="soft">{lead}</p>{said}'
        f'<form method="post" action="{escape(path)}">{field}'
        '<button class="deed" type="submit">Open</button></form></div>'
    )


def listing(path: str, title: str, files: Sequence[SharedFile], *, until: str, next_token: str) -> str:
    """The share's files: those that browsers can show as a gallery, the others by name."""
    shown = [file for file in files if is_inert(file["content_type"]) and _medium(file)]
    others = [file for file in files if file not in shown]
    parts = [f"<h1>{escape(_plain(title) or 'Shared with you')}</h1>"]
    parts.append(f'<p class="soft">{escape(until)}</p>' if until else "")
    if files:
        parts.append(f'<p><a class="deed" href="{escape(path)}/archive">Download all as ZIP</a></p>')
    else:
        parts.append("<p>There are no files here, or they are no longer shared.</p>")
    if shown:
        items = "".join(f"<li>{_figure(file)}</li>" for file in shown)
        parts.append('<h2 id="media">Pictures, videos and audio</h2>')
        parts.append(f'<ul class="gallery" aria-labelledby="media">{items}</ul>')
    if others:
        items = "".join(f"<li>{_link(file)}</li>" for file in others)
        parts.append(f'<h2 id="files">Files</h2><ul class="files" aria-labelledby="files">{items}</ul>')
    if next_token:
        target = f"{path}?page_token={quote(next_token, safe='')}"
        parts.append(f'<nav aria-label="Pages"><a class="deed" href="{escape(target)}">More</a></nav>')
    return "".join(parts)


def drop_form(
    path: str, title: str, *, until: str, most: int, types: Sequence[str], sent: Sequence[DroppedFile] = ()
) -> str:
    """The form for uploads, and the results of the files that were sent."""
    rules = f"Up to {size_text(most)} per file" + (f"; {', '.join(types)}" if types else "") + "."
    accept = f' accept="{escape(",".join(types))}"' if types else ""
    rows = "".join(_sent(file) for file in sent)
    report = f'<h2 id="sent" role="status">Sent</h2><ul class="files" aria-labelledby="sent">{rows}</ul>'
    return (
        f"<h1>{escape(_plain(title) or 'Send files')}</h1>"
        + (f'<p class="soft">{escape(until)}</p>' if until else "")
        + '<div class="card">'
        f'<form method="post" action="{escape(path)}/files" enctype="multipart/form-data">'
        '<label for="file">Files</label>'
        f'<input id="file" name="file" type="file" multiple required aria-describedby="rules"{accept}>'
        f'<p class="soft" id="rules">{escape(rules)} Only the owner of this link sees what you send.</p>'
        '<button class="deed" type="submit">Send</button></form></div>' + (report if rows else "")
    )


def problem(text: str) -> str:
    """Why there is nothing to see."""
    return f'<h1>This link does not work</h1><div class="card"><p role="alert">{escape(text)}</p></div>'


def size_text(size: int) -> str:
    """Bytes for people: ``1.5 MB``."""
    value = float(size)
    for unit in _UNITS:
        if value < 1000 or unit == _UNITS[-1]:
            return f"{size} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError("the last unit takes everything")


def _figure(file: SharedFile) -> str:
    url, name = escape(file["url"]), escape(_name(file))
    kind = _medium(file)
    if kind == "image":
        medium = f'<a href="{url}"><img src="{url}" alt="{name}" loading="lazy"></a>'
    elif kind == "video":
        medium = f'<video src="{url}" controls preload="metadata" aria-label="{name}"></video>'
    else:
        medium = f'<audio src="{url}" controls preload="none" aria-label="{name}"></audio>'
    return f"<figure>{medium}<figcaption>{_link(file)}</figcaption></figure>"


def _link(file: SharedFile) -> str:
    url = f"{file['url']}?download=1"
    return (
        f'<a class="name" href="{escape(url)}" download>{escape(_name(file))}</a>'
        f' <span class="soft">{size_text(file["size"])}</span>'
    )


def _sent(file: DroppedFile) -> str:
    name = escape(_plain(shown_name(file["name"])) or "file")
    kind, said = "bad", escape(file.get("detail", ""))
    if file["stored"]:
        kind, said = "soft", size_text(file.get("size", 0))
    return f'<li><span class="name">{name}</span> <span class="{kind}">{said}</span></li>'


def _medium(file: SharedFile) -> str:
    kind = file["content_type"].partition("/")[0]
    return kind if kind in {"image", "video", "audio"} else ""


def _name(file: SharedFile) -> str:
    """The name as shown: a project's path keeps its slashes, and nothing in it reverses the reading
    direction.
    """
    return "/".join(_plain(shown_name(part)) for part in file["name"].split("/"))


def _plain(text: str) -> str:
    """On one line, without invisible characters."""
    return "".join(c if c.isprintable() or c in "\u200c\u200d" else " " for c in text).strip()
