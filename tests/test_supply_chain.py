"""What is shipped is known to the last version: a bill of materials, and a base image by digest."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from tests.server_process import HANG_S, ROOT

LOCKED = ROOT / "requirements" / "serve.txt"


def test_the_bill_of_materials_names_each_locked_package_with_its_hashes(tmp_path: Path) -> None:
    shown = subprocess.run(
        ["make", "--dry-run", "--old-file=.venv/.installed", "sbom"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.replace("\\\n", " ")
    (line,) = [line for line in shown.splitlines() if "cyclonedx-py" in line]
    program, *arguments = line.split()
    assert program == ".venv/bin/cyclonedx-py"
    arguments[arguments.index("-o") + 1] = str(tmp_path / "sbom.json")
    command = [str(Path(sys.executable).with_name("cyclonedx-py")), *arguments]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=HANG_S)
    bill = json.loads((tmp_path / "sbom.json").read_text())
    assert bill["bomFormat"] == "CycloneDX"
    found = {one["name"].lower(): one for one in bill["components"]}
    locked = dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", LOCKED.read_text(), re.M))
    assert {name: one["version"] for name, one in found.items()} == locked
    for one in found.values():
        hashes = [h for place in one["externalReferences"] for h in place.get("hashes", [])]
        assert any(h["alg"] == "SHA-256" for h in hashes), one["name"]


def test_the_base_image_is_named_by_digest() -> None:
    bases = re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(), re.M)
    assert len(bases) == 2
    assert len(set(bases)) == 1
    assert re.fullmatch(r"python:3\.11-slim@sha256:[0-9a-f]{64}", bases[0])
