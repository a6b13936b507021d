"""The Dockerfile is kept true without a Docker engine: its paths, its install and its start."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from postern.shipped import DEFAULT_ARTIFACT, language_artifacts_beside

from tests.server_process import ServerProcess

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def dockerfile() -> str:
    return (ROOT / "Dockerfile").read_text().replace("\\\n", " ")


def _instructions(dockerfile: str, name: str) -> list[str]:
    return re.findall(rf"^{name} (.+)$", dockerfile, flags=re.MULTILINE)


def _copied(dockerfile: str) -> list[str]:
    return [
        source
        for line in _instructions(dockerfile, "COPY")
        if not line.startswith("--from")
        for source in line.split()[:-1]
    ]


def test_every_copied_path_exists_and_reaches_the_build(dockerfile: str) -> None:
    sent = (ROOT / ".dockerignore").read_text()
    for source in _copied(dockerfile):
        assert (ROOT / source).exists(), source
        assert any(f"!{part}" in sent for part in (source, source.split("/")[0])), source


def test_it_copies_the_server_and_what_it_serves_by_default_and_no_more(dockerfile: str) -> None:
    served = (DEFAULT_ARTIFACT, *language_artifacts_beside(DEFAULT_ARTIFACT))
    artifacts = [str(folder.relative_to(ROOT)) for folder in served]
    assert len(artifacts) == 2
    assert sorted(_copied(dockerfile)) == sorted(["requirements/serve.txt", "app", *artifacts])


def test_it_installs_as_make_serve_does(dockerfile: str) -> None:
    install = r"--require-hashes -r (?:/build/)?requirements/serve.txt"
    assert re.search(install, dockerfile)
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(install, makefile)
    # Both delete what OpenVINO has for other devices.
    (unused,) = re.findall(r"^NOT_FOR_CPUS = (.+)$", makefile, re.M)
    assert re.findall(r"&& rm -f (.+)$", dockerfile, re.M) == [unused]
    assert not re.search(
        r"^torch|^transformers", (ROOT / "requirements/serve.txt").read_text(), re.M
    )


def test_it_runs_as_nobody(dockerfile: str) -> None:
    assert _instructions(dockerfile, "USER") == ["65534:65534"]
    assert dockerfile.count("FROM ") == 2


@pytest.mark.slow
def test_its_command_serves_from_the_copied_files_alone(
    dockerfile: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The image's working folder, remade; read-only, as the container may be."""
    (folder,) = _instructions(dockerfile, "WORKDIR")
    source_root = re.search(rf"PYTHONPATH={folder}/(\S+)", dockerfile)
    assert source_root is not None
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / source_root[1]))
    for source in _copied(dockerfile):
        if source.startswith("requirements"):
            continue
        target = tmp_path / source
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, target, ignore=shutil.ignore_patterns("__pycache__"))
    for path in [tmp_path, *tmp_path.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    start = json.loads(_instructions(dockerfile, "ENTRYPOINT")[0])
    flags = json.loads(_instructions(dockerfile, "CMD")[-1])
    assert flags[:2] == ["--host", "0.0.0.0"]
    command = [*start[1:], "--host", "127.0.0.1", "--port", "0"]
    with ServerProcess(command, {}, cwd=tmp_path) as server:
        server.wait_until_ready()
        (other,) = server.get("/info").json()["language_models"]
        assert "es" in other["languages"]
        health = re.search(r"HEALTHCHECK .*?CMD (\[.*\])", dockerfile)
        assert health is not None
        probe = json.loads(health.group(1))
        assert probe[-1].endswith("/healthz")
        healthy = [sys.executable, *probe[1:-1], f"{server.url}/healthz"]
        assert subprocess.run(healthy, cwd=tmp_path).returncode == 0
        absent = [*healthy[:-1], f"{server.url}/nowhere"]
        assert subprocess.run(absent, cwd=tmp_path).returncode == 1
    for path in [tmp_path, *tmp_path.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
