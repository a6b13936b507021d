"""What `pip install` gives: one name, with the default student, usable by anyone anywhere."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from postern import __version__
from postern.shipped import DEFAULT_STUDENT

from tests.end_to_end.test_calibrate import ASKED, labelled
from tests.server_process import HANG_S, ROOT, ServerProcess
from tests.system_packages import REQUIRE_ALL

pytestmark = pytest.mark.slow

NOBODY = 65534


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist that `python -m build` makes of what git would hold."""
    folder = tmp_path_factory.mktemp("build")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    for name in listed:
        if (ROOT / name).is_file():
            (folder / "clone" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / "clone" / name)
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder / "dist")]
    subprocess.run([*build, "clone"], cwd=folder, check=True, capture_output=True, timeout=HANG_S)
    return folder / "dist"


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (found,) = built.glob("*.whl")
    return found


def test_the_wheel_installs_one_name_and_the_default_student(wheel: Path) -> None:
    assert wheel.name == f"postern-{__version__}-py3-none-any.whl"
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {"postern", f"postern-{__version__}.dist-info"}
    for file in ("manifest.json", "model.onnx", "tokenizer.json"):
        assert f"postern/artifacts/{DEFAULT_STUDENT}/{file}" in names
    assert {"postern/py.typed", "postern/page/index.html"} <= set(names)
    students = {tuple(name.split("/")[2:4]) for name in names if "/artifacts/" in name}
    assert students == {tuple(DEFAULT_STUDENT.split("/"))}


def test_the_sdist_holds_what_the_wheel_is_made_of(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "hatch_build.py", "README.md", "LICENSE", "CHANGELOG.md"} <= names
    assert f"artifacts/{DEFAULT_STUDENT}/manifest.json" in names
    students = {
        tuple(name.split("/")[1:3])
        for name in names
        if name.count("/") > 2 and name.startswith("artifacts/")
    }
    assert students == {tuple(DEFAULT_STUDENT.split("/"))}
    assert "app/postern/main.py" in names


@dataclass(frozen=True)
class Installed:
    """An environment that holds the wheel, and a folder where its user may write."""

    python: Path
    home: Path

    def run(self, *arguments: str, **settings: object) -> subprocess.CompletedProcess[str]:
        """Runs `postern` as its user, outside the repository."""
        return subprocess.run(
            [self.python.with_name("postern"), *arguments],
            cwd=self.home,
            env=_environment(self.home)
            | {f"POSTERN_{name.upper()}": str(value) for name, value in settings.items()},
            capture_output=True,
            text=True,
            timeout=HANG_S,
            user=_user(),
            group=_user(),
        )


def _environment(home: Path) -> dict[str, str]:
    """Nothing that would let the repository be found."""
    return {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8"}


def _user() -> int | None:
    """Another user than the one who installed it, where this one may become another."""
    return NOBODY if os.geteuid() == 0 else None


def _interpreter() -> str:
    """A Python that its user may run: root's own may lie in a folder that is closed to others."""
    probe = "import sys; raise SystemExit(sys.version_info < (3, 11))"
    for candidate in (sys.executable, "/usr/bin/python3"):
        with contextlib.suppress(OSError):
            if not subprocess.run([candidate, "-c", probe], user=_user(), cwd="/").returncode:
                return candidate
    if os.environ.get(REQUIRE_ALL):
        pytest.fail("no Python that another user may run")
    pytest.skip("no Python that another user may run")


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Iterator[Installed]:
    # Not in pytest's own folder, which every start of pytest closes to other users.
    folder = Path(tempfile.mkdtemp(prefix="installed-"))
    folder.chmod(0o755)
    try:
        yield _install(wheel, folder)
    finally:
        shutil.rmtree(folder)


def _install(wheel: Path, folder: Path) -> Installed:
    venv = [_interpreter(), "-m", "venv", "--without-pip", str(folder / "venv")]
    subprocess.run(venv, check=True)
    python = folder / "venv/bin/python"
    # uv installs the locked libraries sooner than pip. It compiles them, because the tests' other
    # user may not write bytecode into this folder.
    uv = [sys.executable, "-m", "uv", "--quiet", "pip", "install", "--python", str(python)]
    locked = ["--no-deps", "--require-hashes", "-r", str(ROOT / "requirements/serve.txt")]
    subprocess.run([*uv, "--compile-bytecode", *locked], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    subprocess.run([*pip, "--no-index", str(wheel)], check=True)  # all that it needs is there
    home = folder / "home"
    home.mkdir(mode=0o777)
    home.chmod(0o777)
    return Installed(python, home)


def test_it_imports_nothing_of_the_repository(installed: Installed) -> None:
    probe = "import importlib.util as u; print(*map(u.find_spec, ('app', 'model_training')))"
    found = subprocess.run(
        [installed.python, "-c", probe], cwd=installed.home, capture_output=True, text=True
    )
    assert found.stdout.split() == ["None", "None"]


def test_serve_gives_a_verdict_over_http(
    installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setenv("HOME", str(installed.home))
    with ServerProcess(
        ["-m", "postern", "serve"],
        {},
        cwd=installed.home,
        python=str(installed.python),
        user=_user(),
    ) as server:
        server.wait_until_ready()
        reply = httpx.post(f"{server.url}/classify", json={"prompt": "How do I bake bread?"})
        assert reply.json()["harmful"] is False
        name, version = DEFAULT_STUDENT.split("/")
        assert (reply.json()["model"]["name"], reply.json()["model"]["version"]) == (name, version)
        assert httpx.get(server.url).status_code == 200  # the page
        assert httpx.get(f"{server.url}/info").json()["language_models"] == []
        assert all(isinstance(line, dict) for line in server.log_lines())
    # Libraries that know no better write below the home folder (ONNX Runtime's telemetry did).
    assert list(installed.home.iterdir()) == []


def test_classify_and_info_answer(installed: Installed) -> None:
    verdict = installed.run("classify", "How do I bake bread?")
    assert verdict.returncode == 0, verdict.stderr
    assert json.loads(verdict.stdout)["harmful"] is False
    info = installed.run("info")
    assert json.loads(info.stdout)["server_version"] == __version__


def test_traces_without_the_extra_are_one_line(installed: Installed) -> None:
    """Of OpenTelemetry, this environment has at most the interface that a dependency needs."""
    probe = "import importlib.util as u; print(u.find_spec('opentelemetry.sdk'))"
    found = subprocess.run(
        [installed.python, "-c", probe], cwd=installed.home, capture_output=True, text=True
    )
    assert found.stdout == "None\n", found.stderr
    done = installed.run("serve", "--port", "0", traces="true")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "postern: traces needs OpenTelemetry's SDK: install Postern with its extra `traces`\n"
    )


def test_calibrate_writes_where_its_user_may(installed: Installed) -> None:
    labelled(installed.home / "sample.jsonl", size=600)
    done = installed.run("calibrate", "--data", "sample.jsonl", *ASKED)
    assert done.returncode == 0, done.stderr
    name = DEFAULT_STUDENT.split("/")[0]
    (made,) = (installed.home / "artifacts" / name).iterdir()
    again = installed.run(
        "classify", "How do I bake bread?", artifact=f"artifacts/{name}/{made.name}"
    )
    assert again.returncode == 0, again.stderr


@pytest.mark.parametrize("missing", ["all of it", "model.onnx"])
def test_without_its_artifact_it_says_so_in_one_line(
    installed: Installed, tmp_path: Path, missing: str
) -> None:
    package = tmp_path / "site" / "postern"
    (found,) = (installed.python.parents[1] / "lib").glob("python*/site-packages/postern")
    shutil.copytree(found, package)
    student = package / "artifacts" / DEFAULT_STUDENT
    shutil.rmtree(student) if missing == "all of it" else (student / missing).unlink()
    done = subprocess.run(
        [installed.python, "-m", "postern", "classify", "Hello"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        timeout=HANG_S,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("postern: ")
    assert DEFAULT_STUDENT in line


def test_an_artifact_that_is_nowhere_is_one_line(installed: Installed) -> None:
    done = installed.run("serve", artifact="nowhere/1.0.0")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "nowhere/1.0.0" in line
