"""Pages for guests: HTML without scripts, built only from escaped text, with one style.

Each works on a phone, with the keyboard alone and with a screen reader: landmarks, headings, labels, lists,
and file names as links.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from html import escape
from typing import Final
from urllib.parse import quote

from gateway.families.shares.guest_shapes import DroppedFile, SharedFile
from gateway.http.reply import Header, Reply, header
from servicekit.presentation import is_inert, shown_name

HTML: Final = "text/html; charset=utf-8"
_UNITS: Final = ("B", "KB", "MB", "GB", "TB")
STYLE: Final = """
:root{color-scheme:light dark;--ink:#1c1e21;--soft:#5b6168;--line:#d9dde2;--page:#f6f7f9;--card:#fff;
--deed:#1a56b8;--deed-ink:#fff;--bad:#a3261c}
@media(prefers-color-scheme:dark){:root{--ink:#e9ebee;--soft:#a3abb4;--line:#343a41;--page:#14171a;
--card:#1d2125;--deed:#8ab4ff;--deed-ink:#10203a;--bad:#ff9d93}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:1rem/1.5 system-ui,sans-serif}
main{max-width:68rem;margin:0 auto;padding:1.5rem 1rem 3rem}
h1{font-size:1.6rem;line-height:1.25;margin:0 0 .25rem;overflow-wrap:anywhere}
h2{font-size:1.1rem;margin:2rem 0 .75rem}
p{margin:.25rem 0 1rem}
.soft{color:var(--soft)}
.bad{color:var(--bad);font-weight:600}
a{color:var(--deed)}
:focus-visible{outline:3px solid var(--deed);outline-offset:2px}
.deed{display:inline-block;background:var(--deed);color:var(--deed-ink);border:0;border-radius:.5rem;
padding:.65rem 1.1rem;font:inherit;font-weight:600;text-decoration:none;cursor:pointer}
.gallery{list-style:none;margin:0;padding:0;display:grid;gap:1rem;
grid-template-columns:repeat(auto-fill,minmax(min(100%,15rem),1fr))}
.gallery li,.card{background:var(--card);border:1px solid var(--line);border-radius:.75rem;overflow:hidden}
.gallery img,.gallery video{display:block;width:100%;height:12rem;object-fit:cover;background:var(--line)}
.gallery video{object-fit:contain}
.gallery audio{display:block;width:100%;padding:1rem .75rem .25rem}
.gallery figure{margin:0}
.gallery figcaption,.card{padding:.75rem}
.name{overflow-wrap:anywhere}
.files{list-style:none;margin:0;padding:0;background:var(--card);border:1px solid var(--line);
border-radius:.75rem}
.files li{display:flex;gap:1rem;justify-content:space-between;align-items:baseline;padding:.75rem}
.files li+li{border-top:1px solid var(--line)}
.soft{overflow-wrap:anywhere}
.files .soft,figcaption .soft{white-space:nowrap}
.card{max-width:30rem;margin-top:.75rem;padding:1.25rem}
label{display:block;font-weight:600;margin-bottom:.35rem}
input{width:100%;font:inherit;color:inherit;background:var(--page);border:1px solid var(--soft);
border-radius:.5rem;padding:.6rem .7rem;margin-bottom:1rem}
nav{margin-top:2rem}
"""
_HASH: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode("ascii")
#: Allows the style, and no script.
POLICY: Final = (
    "default-src 'none'; img-src 'self'; media-src 'self'; "
    f"style-src 'sha256-{_HASH}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


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
