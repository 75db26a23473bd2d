# SPDX-License-Identifier: Apache-2.0
"""A repository served by nginx with the configuration of docs/operating.md."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from tuf.ngclient import Updater

from tests.support.repositories import Made, small_bundle

OPERATING = Path(__file__).resolve().parents[3] / "docs" / "operating.md"
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")

pytestmark = pytest.mark.skipif(
    NGINX is None, reason="nginx is not installed (Debian's package nginx)"
)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    made = Made(tmp_path)
    made.publisher().add([small_bundle(1)], percent=10_000, new=True)
    made.publisher().add([small_bundle(2)], percent=100)
    return made


@pytest.fixture
def url(made: Made, tmp_path: Path) -> Iterator[str]:
    """Where nginx serves it; with the documented server block but for port and folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (block,) = re.findall(r"```nginx\n(.*?)```", OPERATING.read_text("utf-8"), flags=re.DOTALL)
    for old, new in (
        ("127.0.0.1:8080", f"127.0.0.1:{port}"),
        ("/srv/edgeart/repo", str(made.path)),
    ):
        assert old in block
        block = block.replace(old, new)
    state = tmp_path / "nginx"
    state.mkdir()
    temporary = "".join(
        f"{kind}_temp_path {state}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    # As the user who runs the tests, whose temporary folders nobody else may enter.
    user = "user root;\n" if os.geteuid() == 0 else ""
    (state / "nginx.conf").write_text(
        f"{user}daemon off;\npid {state}/pid;\nerror_log stderr;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{temporary}{block}}}\n"
    )
    assert NGINX is not None
    process = subprocess.Popen(
        [NGINX, "-p", str(state), "-c", str(state / "nginx.conf")], stderr=subprocess.PIPE
    )
    try:
        until = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, process.communicate()[1]
                assert time.monotonic() < until, "nginx does not listen"
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.communicate(timeout=20)


def get(url: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers (names in lower case) and body."""
    asked = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, headers=asked)  # noqa: S310 - loopback
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
            return answer.status, lowered(answer.headers.items()), answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, lowered(error.headers.items()), error.read()


def lowered(items: object) -> dict[str, str]:
    return {name.lower(): value for name, value in dict(items).items()}  # type: ignore[call-overload]


def bundle_url(made: Made, url: str) -> str:
    offer = made.publisher().repository.load().catalogue().of("row")[0]
    return f"{url}/targets/row/{offer.sha256}.2.f1.edgeart"


def test_python_tufs_client_takes_everything_over_http(
    made: Made, url: str, tmp_path: Path
) -> None:
    state = tmp_path / "device"
    state.mkdir()
    updater = Updater(
        str(state), f"{url}/metadata", str(state), f"{url}/targets", bootstrap=made.root
    )
    updater.refresh()
    info = updater.get_targetinfo("row/2.f1.edgeart")
    assert info is not None
    assert Path(updater.download_target(info)).read_bytes() == small_bundle(2)
    (delta,) = info.custom["deltas"]
    status, _, body = get(f"{url}/targets/row/{delta['sha256']}.delta")
    assert (status, len(body)) == (200, delta["length"])


def test_a_range_goes_on_where_a_download_ended(made: Made, url: str) -> None:
    whole = small_bundle(2)
    status, headers, body = get(bundle_url(made, url), Range=f"bytes={len(whole) - 100}-")
    assert (status, body) == (206, whole[-100:])
    assert headers["content-range"] == (f"bytes {len(whole) - 100}-{len(whole) - 1}/{len(whole)}")
    status, _, body = get(bundle_url(made, url), Range="bytes=0-9", If_Range='"another"')
    assert (status, body) == (200, whole)


def test_what_has_not_changed_is_not_sent_again(made: Made, url: str) -> None:
    timestamp = f"{url}/metadata/timestamp.json"
    status, headers, _ = get(timestamp)
    assert status == 200
    etag = headers["etag"]
    status, headers, body = get(timestamp, If_None_Match=etag)
    assert (status, body) == (304, b"")
    assert headers["cache-control"] == "public, max-age=60"
    for _ in range(3):  # within one second, as it may be, and of one length
        made.publisher().refresh()
        status, headers, _ = get(timestamp, If_None_Match=etag)
        assert status == 200
        assert headers["etag"] != etag
        etag = headers["etag"]


def test_each_file_says_how_long_it_may_be_kept(made: Made, url: str) -> None:
    for_ever = "public, max-age=31536000, immutable"
    deny = next((made.path / "targets").glob("*.deny.json")).name
    for path, kept in (
        ("metadata/timestamp.json", "public, max-age=60"),
        ("metadata/1.root.json", for_ever),
        ("metadata/3.targets.json", for_ever),
        ("metadata/3.snapshot.json", for_ever),
        (f"targets/{deny}", for_ever),
    ):
        status, headers, body = get(f"{url}/{path}", Accept_Encoding="gzip")
        assert (status, headers["cache-control"]) == (200, kept), path
        assert headers["content-type"] == "application/json"
        assert "content-encoding" not in headers
        assert body == (made.path / path).read_bytes()
    status, headers, _ = get(bundle_url(made, url))
    assert (status, headers["cache-control"]) == (200, for_ever)
    # The next root: asked for at every check, so its absence may be kept for a minute.
    status, headers, body = get(f"{url}/metadata/2.root.json")
    assert (status, headers["cache-control"], body) == (404, "public, max-age=60", b"none")
    assert len(headers) <= 6


def test_nothing_but_the_two_folders_is_served(made: Made, url: str) -> None:
    (made.path / "staged").mkdir(exist_ok=True)
    (made.path / "staged" / "root.json").write_text("{}")
    for path in ("staged/root.json", ".lock", "", "metadata/", "../offline/keys.json"):
        assert get(f"{url}/{path}")[0] in {400, 403, 404}, path
