"""Names by the rule that they break, for every operation that takes names."""

from __future__ import annotations

from typing import Final

KINDS: Final = {
    "bidi_control": ["invoice\u202egnp.exe", "\u200fa", "a\u200e", "a\u2066b", "\u061ca", "a\u202a.txt"],
    "unseen_character": [
        "a\u200b.txt", "\ufeffa", "a\u2060b", "a\u00adb", "\u3164", "a\u180eb", "a\u200d.js", "\u200ca",
        "a\U000e0041", "\u115f",
    ],
    "encoded_name": [
        "%2e%2e", ".%2e", "%2E.", "..%2fetc", "%2e%2e%2fetc%2fpasswd", "..%5cetc", "%252e%252e%252fx",
        "%c0%ae%c0%ae%c0%afx", "..%c0%afx", "%u002e%u002e%u002fx", "a%00.png", "%2e",
    ],
    "git_folder": [
        ".git", ".GIT", ".Git", ".git.", ".git ", ".git. .", "git~1", "GIT~2", ".g\u200cit", ".\u200bgit",
        ".git:x", ".git::$INDEX_ALLOCATION", ".gi\u200dt",
    ],
    "reserved_name": [
        "CON", "con", "nul.txt", "Aux.tar.gz", "prn .txt", "COM1", "com9.log", "LPT1.x", "COM\u00b9",
        "lpt\u00b3.a",
        "CONIN$", "conout$", "nul.",
    ],
    "trailing_dot_or_blank": ["a.", "a ", "a. .", "a.txt.", "a.txt ", "a\u00a0", "a\u3000", "..."],
    "stream_name": ["a:b", "a.txt:evil.exe", "a::$DATA", ":a", "a:"],
    "tilde": ["PROGRA~1", "LONGNA~1.TXT", "a~1", "A~12.b", "~", "~root", "~a-b_1"],
}  # fmt: skip
"""Names that break the rule as a segment at any depth."""

HONEST: Final = [
    ".gitignore", ".gitattributes", ".gitmodules", ".github", "git", "a.git", ".git-blame-ignore-revs",
    ".env.example",
    "...rest.tsx", "[...slug].tsx", "a..b", "..a", ".a", "a b", " a", "caf\u00e9",
    "\u65e5\u672c\u8a9e.txt", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645.pdf",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467.png", "\u2764\ufe0f.txt",
    "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f.svg",
    "\u845b\U000e0100.txt", "100%.txt", "50%25.txt", "page%2Findex.html", "a%20b",
    "https%3A%2F%2Fexample.com.html", "console.ts",
    "auxiliary", "nullable.py", "com10", "com", "lpt", "contact", "file~", "~$report.docx", "a~b",
    "a~1~2x", "conin", "node_modules",
    "@scope", "$id.tsx", "(group)", "+page.svelte", "a,b;c=d&e", "'quoted'", "#1",
]  # fmt: skip

CLASHES: Final = [
    ("case_collision", "README.md", "readme.md"),
    ("case_collision", "src/a.js", "SRC/b.js"),
    ("case_collision", "a/b/C/d", "a/b/c"),
    ("case_collision", "\u00c9t\u00e9.txt", "\u00e9t\u00e9.txt"),
    ("case_collision", "stra\u00dfe", "STRASSE"),
    ("case_collision", "\u212a", "k"),
    ("case_collision", "\u03c3", "\u03c2"),
    ("case_collision", "\u0645\u06cc\u200c\u062e", "\u0645\u06cc\u062e"),
    ("case_collision", "\u2764\ufe0f", "\u2764"),
    ("case_collision", "Empty/", "empty/a"),
    ("case_collision", "A", "a/b"),
    ("duplicate_name", "a", "a"),
    ("duplicate_name", "a", "a/"),
    ("duplicate_name", "a/", "a/"),
    ("file_and_folder", "a", "a/b"),
    ("file_and_folder", "a/b/c/d", "a/b"),
    ("file_and_folder", "a", "a/b/"),
]
"""Pairs of paths that are equal on some system."""
