"""The files for pages that judge on the device: only those that are published, and cached well."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import time
from pathlib import Path

import pytest
from postern.contract.errors import SettingsInvalid
from postern.settings.settings import read_settings

from tests.conftest import StartServer
from tests.server_process import ServerProcess, postern

IMMUTABLE = "public, max-age=31536000, immutable"


@pytest.fixture(scope="module")
def folder(tiny_artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artifact, beside a file that its manifest does not list."""
    copy = Path(shutil.copytree(tiny_artifact, tmp_path_factory.mktemp("published") / "student"))
    (copy / "secret.txt").write_text("not published")
    return copy


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files in the places where a built package has them."""
    made = tmp_path_factory.mktemp("dist")
    (made / "vendor").mkdir()
    runtime = "vendor/ort-wasm-simd-threaded.wasm"
    for name in ("index.js", "worker.js", "languages.bin", runtime, "index.d.ts"):
        (made / name).write_text(f"// {name}\n" * 50)
    return made


@pytest.fixture(scope="module")
def publisher(start_server: StartServer, folder: Path, package: Path) -> ServerProcess:
    return start_server(
        artifact=folder, serve_artifact="true", on_device=package, write_timeout_ms=1000
    )


def test_every_file_of_the_manifest_comes_as_it_is(publisher: ServerProcess, folder: Path) -> None:
    listed = json.loads((folder / "manifest.json").read_bytes())["files"]
    assert "model.onnx" in listed
    for name in ("manifest.json", *listed):
        reply = publisher.get(f"/artifact/{name}")
        assert reply.status_code == 200
        assert reply.content == (folder / name).read_bytes()
        assert reply.headers["etag"] == f'"{hashlib.sha256(reply.content).hexdigest()}"'
        assert reply.headers["cache-control"] == "no-cache"
        assert reply.headers["x-content-type-options"] == "nosniff"


def test_with_its_hash_a_file_is_kept_for_ever(publisher: ServerProcess, folder: Path) -> None:
    digest = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    reply = publisher.get(f"/artifact/model.onnx?sha256={digest}")
    assert (reply.status_code, reply.headers["cache-control"]) == (200, IMMUTABLE)
    # A page that has the manifest of another student gets nothing that it could mistake.
    assert publisher.get(f"/artifact/model.onnx?sha256={'0' * 64}").status_code == 404


def test_what_is_known_is_not_sent_again(publisher: ServerProcess) -> None:
    tag = publisher.get("/artifact/tokenizer.json").headers["etag"]
    for known in (tag, f"W/{tag}", f'"other", {tag}'):
        reply = publisher.get("/artifact/tokenizer.json", headers={"If-None-Match": known})
        assert (reply.status_code, reply.content) == (304, b"")
    other = publisher.get("/artifact/tokenizer.json", headers={"If-None-Match": '"other"'})
    assert other.status_code == 200


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [("gzip, br", True), ("br, GZIP;q=0.5", True), ("gzip;q=0", False), ("identity", False)],
)
def test_it_is_packed_for_who_takes_that(
    publisher: ServerProcess, folder: Path, accepted: str, packed: bool
) -> None:
    with publisher.connect() as link:
        head = (
            f"GET /artifact/tokenizer.json HTTP/1.1\r\nHost: 127.0.0.1:{publisher.address[1]}\r\n"
        )
        link.sendall(f"{head}Accept-Encoding: {accepted}\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while piece := link.recv(1 << 16):
            answer += piece
    told, _, body = answer.partition(b"\r\n\r\n")
    assert (b"content-encoding: gzip" in told.lower()) is packed
    assert f"content-length: {len(body)}".encode() in told.lower()
    content = gzip.decompress(body) if packed else body
    assert content == (folder / "tokenizer.json").read_bytes()


@pytest.mark.parametrize(
    "path",
    [
        *("/artifact/", "/artifact/secret.txt", "/artifact/../secret.txt", "/artifact/%2e%2e/x"),
        *("/artifact/..%2f..%2fetc%2fpasswd", "/artifact//etc/passwd", "/artifact/%00"),
        *("/on_device/index.d.ts", "/on_device/../index.js", "/on_device/%2e%2e/%2e%2e/x"),
        *("/on_device//etc/passwd", "/on_device/vendor", "/on_device/"),
    ],
)
def test_nothing_else_is_there(publisher: ServerProcess, path: str) -> None:
    assert publisher.get(path).status_code == 404


def test_the_worker_may_compile_and_the_page_may_not(publisher: ServerProcess) -> None:
    worker = publisher.get("/on_device/worker.js").headers
    assert "script-src 'self' 'wasm-unsafe-eval'" in worker["content-security-policy"]
    page = publisher.get("/").headers["content-security-policy"]
    assert "wasm-unsafe-eval" not in page
    assert "manifest-src 'self'" in page
    assert b"data-on-device" in publisher.get("/").content
    assert publisher.get("/service_worker.js").status_code == 200


def test_a_slow_reader_gets_all_of_it(publisher: ServerProcess, folder: Path) -> None:
    """Each piece has its own time, so a download may take longer than `write_timeout_ms`."""
    size = (folder / "model.onnx").stat().st_size
    with publisher.connect() as link:
        link.sendall(
            f"GET /artifact/model.onnx HTTP/1.1\r\nHost: 127.0.0.1:{publisher.address[1]}\r\n"
            "Connection: close\r\n\r\n".encode()
        )
        got = 0
        started = time.monotonic()
        while piece := link.recv(1 << 15):
            got += len(piece)
            if time.monotonic() - started < 2.0:
                time.sleep(0.1)
    assert got > size


def test_it_is_off_unless_asked_for(server: ServerProcess) -> None:
    assert server.get("/artifact/manifest.json").status_code == 404
    assert b"data-on-device" not in server.get("/").content


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"on_device": Path("/nonexistent")}, "needs POSTERN_SERVE_ARTIFACT=true"),
        (
            {"on_device": Path("/nonexistent"), "serve_artifact": True, "page": False},
            "and the page",
        ),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, object], told: str) -> None:
    with pytest.raises(SettingsInvalid, match=told):
        read_settings(**settings)


def test_a_folder_without_the_built_package_is_told_at_the_start(tiny_artifact: Path) -> None:
    settings = {"serve_artifact": "true", "on_device": "/nonexistent"}
    done = postern("serve", artifact=tiny_artifact, port=0, **settings)
    assert done.returncode != 0
    assert "holds no built package" in done.stderr.decode()
