"""A key in a file of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from postern.contract.errors import SettingsInvalid
from postern.http.key_file import read_key


def test_a_key_is_the_only_line(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("sk-1\n")
    assert read_key(path, setting="a_file") == "sk-1"


@pytest.mark.parametrize("content", ["", "\n", "two\nlines", "two words", "sk-\u00e9"])
def test_what_no_header_carries_is_refused_unsaid(tmp_path: Path, content: str) -> None:
    path = tmp_path / "key"
    path.write_text(content)
    with pytest.raises(SettingsInvalid, match=r"^a_file must contain one line of printable ASCII$"):
        read_key(path, setting="a_file")
    with pytest.raises(SettingsInvalid, match=r"^a_file cannot be read$"):
        read_key(tmp_path / "none", setting="a_file")
