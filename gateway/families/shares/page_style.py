"""The style of the pages for guests, and the policy that allows nothing else."""

from __future__ import annotations

import base64
import hashlib
from typing import Final

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
POLICY: Final = (
    "default-src 'none'; img-src 'self'; media-src 'self'; "
    f"style-src 'sha256-{_HASH}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
