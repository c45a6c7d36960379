"""Filters of lists by words, type, time, size and settings, as SQL conditions on one owner's rows.

Words are searched in the owner's rows in the order of the page, without an index on texts: under row-level
security only leakproof conditions can use an index, and no operator of text search or trigrams is leakproof
(docs/decisions/0072-search-reads-the-owners-rows.md). So the cost of a page grows with the number of the
owner's files that are skipped, and not with other owners' files.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import structlog

from metadata_service.db.database import SYSTEM, Database
from strongroom.errors import InvalidField
from strongroom.metadata.v1.file_pb2 import FILE_FAMILY_EVENT_MEDIA, FILE_FAMILY_GENERATION, FILE_FAMILY_PATH

log = structlog.get_logger(__name__)

#: Most words of one query.
MOST_WORDS: Final = 10
#: JSON escapes that Postgres can store as text: backslashes, and complete surrogate pairs.
_READABLE: Final = r"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
#: JSON escapes that it can't store; settings that contain one match no filter.
_UNREADABLE: Final = r"\\u(0000|[dD][89a-fA-F])"

_NAME: Final = f"""files.filename,
CASE WHEN files.family = {FILE_FAMILY_PATH} THEN substr(files.slot, 6) END"""
_PROMPT: Final = (
    "(SELECT prompt FROM generations AS g WHERE g.owner_id = files.owner_id AND g.file_id = files.id)"
)
_MEDIA: Final = """(SELECT concat_ws(E'\\n', m.title, m.description, array_to_string(m.tags, E'\\n'))
FROM event_media AS m WHERE m.owner_id = files.owner_id AND m.file_id = files.id)"""
#: The texts that are searched: names, prompts, titles, descriptions, tags. Details are read only for rows of
#: their family.
TEXTS: Final = f"""concat_ws(E'\\n', {_NAME},
CASE files.family
    WHEN {FILE_FAMILY_GENERATION} THEN {_PROMPT} WHEN {FILE_FAMILY_EVENT_MEDIA} THEN {_MEDIA}
END)"""


_COLLATIONS: Final = """
SELECT collname FROM pg_collation
WHERE collname IN ('pg_c_utf8', 'und-x-icu')
    AND collencoding IN (-1, pg_char_to_encoding(getdatabaseencoding()))
ORDER BY collname LIMIT 1
"""


class Folding:
    """Case-insensitive comparison: by Unicode if this database can."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lower = ""

    async def lower(self) -> str:
        """SQL that makes `{text}` lower case. The collation is looked up once."""
        if not self._lower:
            rows = await self._database.read(SYSTEM, _COLLATIONS)
            if rows:
                self._lower = f'lower(({{text}}) COLLATE "{rows[0][0]}")'
            else:
                self._lower = "lower({text})"
                log.warning(
                    "search_folds_by_the_databases_locale",
                    advice="no pg_c_utf8 (Postgres 17), no und-x-icu; letters beyond ASCII may differ",
                )
        return self._lower


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions on a file; an empty filter matches every file.

    ``content_type``: exact, or a wildcard (``image/*``). Times are half open (``after`` <= created <
    ``before``), sizes inclusive. ``settings``: top-level members of a generation's settings by name, compared
    as text.
    """

    query: str = ""
    content_type: str = ""
    created_after: datetime | None = None
    created_before: datetime | None = None
    min_size: int | None = None
    max_size: int | None = None
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether every row matches."""
        return self == Filter()

    def conditions(self, lower: str) -> tuple[list[str], dict[str, object]]:
        """Conditions on ``files`` and their parameters. ``lower``: SQL that makes ``{text}`` lower case
        (``Folding``).

        Raises InvalidField: too many words.
        """
        found: list[str] = []
        params: dict[str, object] = {}
        self._add_words(lower, found, params)
        add_type(self.content_type, found, params)
        for name, condition, value in (
            ("after", "files.created_at >= %(after)s", self.created_after),
            ("before_time", "files.created_at < %(before_time)s", self.created_before),
            ("min_size", "files.size_bytes >= %(min_size)s", self.min_size),
            ("max_size", "files.size_bytes <= %(max_size)s", self.max_size),
        ):
            if value is not None:
                found.append(condition)
                params[name] = value
        self._add_settings(found, params)
        return found, params

    def _add_words(self, lower: str, found: list[str], params: dict[str, object]) -> None:
        wanted = words(self.query)
        if not wanted:
            return
        held = []
        for number, word in enumerate(wanted):
            forms: list[str] = []
            for name, form in _forms(f"word{number}", word).items():
                forms.append(f"position({lower.format(text=f'%({name})s::text')} IN looked_at.texts) > 0")
                params[name] = form
            held.append(f"({' OR '.join(forms)})")
        found.append(_WORDS.format(texts=lower.format(text=TEXTS), held=" AND ".join(held)))

    def _add_settings(self, found: list[str], params: dict[str, object]) -> None:
        if not self.settings:
            return
        held = []
        for number, (name, text) in enumerate(sorted(self.settings.items())):
            held.append(f"parsed.settings ->> %(setting{number})s = %(value{number})s")
            params |= {f"setting{number}": name, f"value{number}": text}
        params |= {"readable": _READABLE, "unreadable": _UNREADABLE}
        found.append(_SETTINGS.format(held=" AND ".join(held)))


#: OFFSET 0 keeps the planner from inlining the subquery, so texts are read and settings parsed once per row.
_WORDS: Final = "(SELECT {held} FROM (SELECT {texts} AS texts OFFSET 0) AS looked_at)"
_SETTINGS: Final = f"""
CASE WHEN files.family = {FILE_FAMILY_GENERATION} THEN (
    SELECT {{held}} FROM (
        SELECT CASE WHEN g.settings_json <> '' AND (
            strpos(g.settings_json, E'\\\\u') = 0
            OR regexp_replace(g.settings_json, %(readable)s, ' ', 'g') !~ %(unreadable)s
        ) THEN g.settings_json::json END AS settings
        FROM generations AS g WHERE g.owner_id = files.owner_id AND g.file_id = files.id OFFSET 0
    ) AS parsed
) END
"""


def add_type(content_type: str, found: list[str], params: dict[str, object]) -> None:
    """Add the condition that files are of a type (``image/png``, ``image/*``) to ``found``, and its parameter
    to ``params``; nothing for all types (empty, ``*/*``).
    """
    kind = content_type.lower()
    if kind.endswith("/*") and kind != "*/*":
        found.append("starts_with(files.content_type, %(content_type)s)")
        params["content_type"] = kind[:-1]
    elif kind not in ("", "*/*"):
        found.append("split_part(files.content_type, ';', 1) = %(content_type)s")
        params["content_type"] = kind


def _forms(name: str, word: str) -> dict[str, str]:
    """A word by parameter name; also in NFD if that differs."""
    apart = unicodedata.normalize("NFD", word)
    return {name: word} if apart == word else {name: word, f"{name}_apart": apart}


def words(query: str) -> list[str]:
    """The words of a query in NFC; a quoted phrase is one word.

    A row has to contain each of them, in NFC or NFD, since texts are stored as they came. Raises InvalidField
    for too many.
    """
    found: list[str] = []
    for number, part in enumerate(unicodedata.normalize("NFC", query).split('"')):
        found += [part] if number % 2 and part.strip() else part.split()
    if len(found) > MOST_WORDS:
        raise InvalidField(
            f"A search takes {MOST_WORDS} words at most; put what belongs together in quotes.",
            field="query",
            rule="max_words",
        )
    return found
