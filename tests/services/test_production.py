"""The production site as its compose file says, natively: through the proxy, over TLS, as people and programs use it."""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest

from tests.services.production import HOST, Production, needs_services, running_production
from tests.services.visitors import announce, by_script, links_to, make_people, program, send_piece, settled, signed_in
from tests.webapp.conftest import picture

pytestmark = [pytest.mark.xdist_group("production"), pytest.mark.timeout(600)]

FILES = {f"{number}.png": picture("brown" if number % 2 else "pink", size=(300, 200), seed=number) for number in range(20)}
STOPS_WITHIN_S = 30.0  # what Compose gives the web
MEDIA_POLICY = "default-src 'none'; sandbox"


class Archive:
    """The running site with people and 20 searchable images in it."""

    def __init__(self, site: Production) -> None:
        self.site = site
        self.collection = make_people(site)
        self.alice = signed_in(site, "alice")
        self.program = program(site, "alice")
        self.sent = announce(self.alice, self.collection, FILES)
        self.broken_off_at = self._send()
        self.receipt = settled(self.program, self.sent["upload"])

    def _send(self) -> int:
        """All of them, the first one in a connection that breaks off; returns how far that one had come."""
        first, *others = self.sent["items"]
        self._break_off(first["address"], FILES[first["name"]])
        kept = self._offset(first["address"])
        send_piece(self.alice, first["address"], FILES[first["name"]][kept:], at=kept)
        for item in others:
            assert send_piece(self.alice, item["address"], FILES[item["name"]]).status_code == 204
        return kept

    def _break_off(self, address: str, data: bytes) -> None:
        """Half of what was promised, and the connection is closed."""
        cookies = "; ".join(f"{name}={value}" for name, value in self.alice.cookies.items())
        told = {"Host": f"{HOST}:{self.site.ports['https']}", "Cookie": cookies, "Content-Length": str(len(data))}
        told |= {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream", "Upload-Offset": "0"}
        lines = "".join(f"{name}: {value}\r\n" for name, value in (told | by_script(self.alice)).items())
        path = address.removeprefix(self.site.url)
        with (
            socket.create_connection(("127.0.0.1", self.site.ports["https"])) as plain,
            self.site.trust().wrap_socket(plain, server_hostname=HOST) as secure,
        ):
            secure.sendall(f"PATCH {path} HTTP/1.1\r\n{lines}\r\n".encode() + data[: len(data) // 2])
            time.sleep(0.5)

    def _offset(self, address: str) -> int:
        """Asked until the connection that broke off is given up by the site."""
        until = time.monotonic() + 30
        while time.monotonic() < until:
            told = self.alice.head(address, headers={"Tus-Resumable": "1.0.0"})
            if told.status_code == 200 and int(told.headers["Upload-Offset"]):
                return int(told.headers["Upload-Offset"])
            time.sleep(0.2)
        raise AssertionError(f"nothing is kept of what arrived: {told.status_code} {told.headers}")

    def search(self, words: str) -> httpx.Response:
        return self.alice.get("/", params={"q": words})


@pytest.fixture(scope="module")
def archive() -> Iterator[Archive]:
    needs_services()
    with running_production() as site:
        made = Archive(site)
        yield made
        made.alice.close()
        made.program.close()
        for name, seconds in site.stop().items():  # here, because tests come in any order and this ends them
            assert seconds < STOPS_WITHIN_S, (name, seconds)


def a_thumbnail(archive: Archive) -> str:
    return links_to(archive.search("brown").text, r"/images/[-0-9a-f]+/thumbnail")[0]


def test_twenty_files_come_in_by_tus_and_one_broken_connection_is_resumed(archive):
    assert 0 < archive.broken_off_at < len(FILES["0.png"])
    assert archive.receipt["counts"]["ready"] == archive.receipt["total"] == 20


def test_they_are_found_by_words(archive):
    page = archive.search("brown")
    assert page.status_code == 200
    assert len(links_to(page.text, r"/images/[-0-9a-f]+/thumbnail")) == 20
    hits = archive.program.get("/search", params={"text": "pink"}).json()["hits"]
    assert len(hits) == 20


def test_verify_finds_nothing_to_repair(archive):
    assert '"clean": true' in archive.site.manage("verify", "--json")


def test_a_thumbnail_is_sent_by_the_proxy_and_keeps_what_its_view_said(archive):
    address = a_thumbnail(archive)
    whole = archive.alice.get(address)
    assert (whole.status_code, whole.headers["Content-Type"]) == (200, "image/jpeg")
    assert whole.content[:2] == b"\xff\xd8"
    assert whole.headers["Content-Security-Policy"] == MEDIA_POLICY
    assert whole.headers["X-Content-Type-Options"] == "nosniff"
    assert whole.headers["Cache-Control"] == "private, no-cache"
    assert "X-Accel-Redirect" not in whole.headers
    part = archive.alice.get(address, headers={"Range": "bytes=2-9"})
    assert (part.status_code, part.content) == (206, whole.content[2:10])


def test_a_thumbnail_has_the_tag_that_its_view_gave_it(archive):
    address = a_thumbnail(archive)
    tag = archive.alice.get(address).headers["ETag"]
    assert re.fullmatch(r'"[0-9a-f]{32}-[0-9a-f]+"', tag)
    assert archive.alice.get(address, headers={"If-None-Match": tag}).status_code == 304
    changed = archive.alice.get(address, headers={"Range": "bytes=2-9", "If-Range": '"another"'})
    assert changed.status_code == 200


def test_an_outsider_gets_the_answer_for_what_does_not_exist(archive):
    address = a_thumbnail(archive)
    with closing(signed_in(archive.site, "charlie")) as charlie:
        refused = charlie.get(address)
        unknown = charlie.get("/images/00000000-0000-4000-8000-000000000000/thumbnail")
    assert refused.status_code == unknown.status_code == 404
    with archive.site.browser() as nobody:
        assert nobody.get(address).status_code == 302


def test_files_are_not_reached_past_their_views(archive):
    path = a_thumbnail(archive).split("/")[2]
    assert archive.alice.get(f"/protected/thumbnails/{path[:2]}/{path}.jpg").status_code == 404


def test_plain_http_is_sent_on_to_https(archive):
    answer = httpx.get(f"http://127.0.0.1:{archive.site.ports['http']}/collections?a=b", headers={"Host": HOST})
    assert (answer.status_code, answer.headers["Location"]) == (301, f"https://{HOST}/collections?a=b")


def test_http2_is_spoken(archive):
    context = archive.site.trust()
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection(("127.0.0.1", archive.site.ports["https"])) as plain,
        context.wrap_socket(plain, server_hostname=HOST) as secure,
    ):
        assert secure.selected_alpn_protocol() == "h2"
        assert secure.version() in ("TLSv1.2", "TLSv1.3")
        assert isinstance(secure.context, ssl.SSLContext)


@pytest.mark.parametrize("path", ["/metrics", "/readyz"])
def test_what_the_inside_tells_is_not_told_outside(archive, path):
    answer = archive.alice.get(path)
    assert answer.status_code == 404
    assert "nginx" in answer.text  # the proxy's own: nothing was asked


def test_inside_every_part_is_ready_and_metrics_are_for_who_has_the_token(archive):
    inside = f"http://127.0.0.1:{archive.site.ports['web']}"
    ready = httpx.get(f"{inside}/readyz", timeout=30.0)
    assert (ready.status_code, ready.json()["ok"]) == (200, True), ready.text
    assert httpx.get(f"{inside}/metrics").status_code == 404
    known = {"Authorization": f"Bearer {archive.site.secret('metrics_token')}"}
    told = httpx.get(f"{inside}/metrics", headers=known, timeout=30.0)
    assert told.status_code == 200
    assert "conchive_" in told.text


def test_static_files_are_compressed_and_kept_for_ever(archive):
    page = archive.alice.get("/")
    styles = [archive.alice.get(each) for each in links_to(page.text, r"/static/[^\"]+\.css")]
    assert styles
    assert all("immutable" in style.headers["Cache-Control"] for style in styles)
    large = max(styles, key=lambda style: len(style.content))
    assert large.headers["Content-Encoding"] in ("br", "gzip")


def test_cookies_are_for_https_alone_and_the_browser_stays_with_it(archive):
    with archive.site.browser() as nobody:
        page = nobody.get("/sign-in")
    assert "Secure" in page.headers["Set-Cookie"]
    assert int(re.search(r"max-age=(\d+)", page.headers["Strict-Transport-Security"])[1]) >= 31_536_000  # type: ignore[index]


def test_another_host_is_refused(archive):
    with archive.site.browser(headers={"Host": "another.example"}) as nobody:
        assert nobody.get("/sign-in").status_code == 400


def test_every_health_check_passes(archive):
    for name, service in archive.site.services.items():
        if service.health:
            assert service.is_healthy(), f"{name}: {service.health}\n{service.tail()}"


def test_nothing_runs_as_root_and_nothing_had_to_be_started_again(archive):
    for name, service in archive.site.services.items():
        if service.restarts:
            assert service.is_running(), name
            assert service.starts == 1, service.tail()


def test_the_web_process_loads_neither_torch_nor_the_encoder(archive):
    web = archive.site.services["web"]
    for pid in web.children():
        with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:  # noqa: PTH123  no file
            assert "libtorch" not in maps.read()
