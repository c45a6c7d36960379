"""A web page plays a stored file: ``<video src>`` seeks, in headless Chromium."""

from __future__ import annotations

import html
import shutil
import subprocess
import urllib.request
from pathlib import Path
from typing import Final

import httpx

from tests.e2e import samples
from tests.e2e.belongings import upload
from tests.stack import until

SECONDS: Final = 40.0
SEEK_TO: Final = 30.0
_PAGE: Final = """<!doctype html><title>waiting</title><video preload="metadata" src="{url}"></video><script>
const video = document.querySelector("video");
video.onerror = () => document.title = "error " + video.error.code + " " + video.error.message;
video.onloadedmetadata = () => video.currentTime = {seek};
video.onseeked = () => document.title = "at " + video.currentTime + " of " + video.duration
  + " seekable to " + video.seekable.end(0);
</script>"""


def test_a_video_element_seeks(http: httpx.Client, tmp_path: Path) -> None:
    sound = samples.wav(SECONDS, 48_000)
    reply = http.post("/api/v1/s3/upload", files=upload(sound, "long.wav", "audio/wav"))
    url = reply.json()["url"]
    page = tmp_path / "page.html"
    page.write_text(_PAGE.format(url=html.escape(url), seek=SEEK_TO))
    expected = f"at {SEEK_TO:g} of {SECONDS:g} seekable to {SECONDS:g}"
    assert _title_of(page, tmp_path / "profile") == expected


def test_the_signed_url_answers_ranges_as_players_ask_for_them(http: httpx.Client) -> None:
    url = http.post("/api/v1/s3/upload", files=upload(samples.MP4, "a.mp4", "video/mp4")).json()["url"]
    request = urllib.request.Request(url, headers={"Range": "bytes=100-"})
    with urllib.request.urlopen(request) as part:
        assert (part.status, part.read()) == (206, samples.MP4[100:])
        assert part.headers["content-range"] == f"bytes 100-{len(samples.MP4) - 1}/{len(samples.MP4)}"


def _title_of(page: Path, profile: Path) -> str:
    """The page's title once its script has set it, asked over the DevTools protocol."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    assert chromium, "this test needs Chromium: apt-get install chromium"
    arguments = [
        chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
        "--mute-audio", "--no-first-run", "--disable-background-networking", "--no-proxy-server",
        "--remote-debugging-port=0",
        f"--user-data-dir={profile}", page.as_uri(),
    ]  # fmt: skip
    with subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as browser:
        try:
            port_file = profile / "DevToolsActivePort"
            until("Chromium listens", lambda: port_file.exists() and port_file.read_text().count("\n"))
            return until("the page has an answer", lambda: _title(int(port_file.read_text().split()[0])))
        finally:
            browser.kill()


def _title(port: int) -> str:
    """The title of the one page that is open; empty while the script waits."""
    with httpx.Client(trust_env=False) as client:
        pages = client.get(f"http://127.0.0.1:{port}/json/list").json()
    titles = [page["title"] for page in pages if page["type"] == "page"]
    return next((title for title in titles if title.startswith(("at ", "error "))), "")
