"""Every setting is documented, checked at the start, and never repeats its value in an error."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from postern.cli import main
from postern.contract.errors import SettingsInvalid
from postern.settings.settings import FIELDS, read_settings
from postern.shipped import DEFAULT_ARTIFACT, LANGUAGE_STUDENTS
from pydantic import ValidationError


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in FIELDS:
        monkeypatch.delenv(f"POSTERN_{name.upper()}", raising=False)


def test_the_defaults_are_valid_and_frozen() -> None:
    settings = read_settings()
    assert settings.server.host == "127.0.0.1"
    assert settings.access.accepted_keys() == ()
    with pytest.raises(ValidationError):
        settings.server.port = 1  # type: ignore[misc]


@pytest.mark.parametrize("name", list(FIELDS))
def test_every_setting_is_documented_and_shown_by_help(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    description = FIELDS[name].info.description
    assert description
    assert description.endswith(".")
    if name in (
        "api_keys",
        "upstream_api_key",
    ):  # a key on a command line is readable by all of the machine
        return
    with pytest.raises(SystemExit) as left:
        main(["serve", "--help"])
    assert left.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert f"--{name.replace('_', '-')} " in shown
    assert f"POSTERN_{name.upper()}" in shown
    assert description.split()[0] in shown


def test_students_for_other_languages_stand_beside_the_default_one_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (folder,) = read_settings().engine.language_artifacts
    assert f"{folder.parent.name}/{folder.name}" in LANGUAGE_STUDENTS
    named = read_settings(artifact=os.path.relpath(DEFAULT_ARTIFACT))
    assert named.engine.language_artifacts == (folder,)
    assert read_settings(artifact=tmp_path).engine.language_artifacts == ()
    monkeypatch.setenv("POSTERN_LANGUAGE_ARTIFACTS", "")
    assert read_settings().engine.language_artifacts == ()
    two = read_settings(artifact=tmp_path, language_artifacts="a, b").engine.language_artifacts
    assert two == (Path("a"), Path("b"))


def test_the_environment_is_read_and_overrides_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTERN_PORT", "1234")
    monkeypatch.setenv("POSTERN_WORKERS", "3")
    settings = read_settings(port="4321")
    assert (settings.server.port, settings.engine.workers) == (4321, 3)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", "zzsecretzz"),
        ("port", "70000"),
        ("workers", "-1"),
        ("max_batch_tokens", "63"),
        ("request_timeout_ms", "-1"),
        ("max_body_bytes", "1e9x"),
        ("log_level", "zzsecretzz"),
        ("drain_delay_ms", ""),
        ("upstream_url", "zzsecretzz"),
        ("upstream_url", "file:///zzsecretzz"),
        ("upstream_url", "http://user:zzsecretzz@host/v1"),
        ("upstream_url", "http://host/v1#zzsecretzz"),
        ("teacher_url", "http://host/v1?key=zzsecretzz"),
        ("upstream_url", "http://host:0/v1"),
        ("upstream_url", "http://host:99999/v1"),
        ("upstream_url", "http:///v1"),
        ("upstream_api_key", "zzsecretzz\n"),
        ("upstream_api_key", "zzsecretzz\u00e9"),
        ("on_block", "zzsecretzz"),
        ("on_unsupported_language", "zzsecretzz"),
        ("category_thresholds", "zzsecretzz"),
        ("category_thresholds", '["zzsecretzz"]'),
        ("category_thresholds", '{"zzsecretzz": 2}'),
        ("category_thresholds", '{"zzsecretzz": "x"}'),
        ("mode", "zzsecretzz"),
        ("route_modes", "zzsecretzz"),
        ("route_modes", '{"zzsecretzz": "audit"}'),
        ("route_modes", '{"/classify": "audit"}'),
        ("route_modes", '{"/v1/chat/completions": "zzsecretzz"}'),
        ("route_modes", '["zzsecretzz"]'),
    ],
)
def test_a_bad_value_is_named_but_not_repeated(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"POSTERN_{name.upper()}", value)
    with pytest.raises(SettingsInvalid) as refused:
        read_settings()
    assert str(refused.value).startswith(f"POSTERN_{name.upper()}: ")
    assert "zzsecretzz" not in str(refused.value)


def test_thresholds_of_categories_are_a_json_object(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_settings().engine.category_thresholds == {}
    monkeypatch.setenv("POSTERN_CATEGORY_THRESHOLDS", '{"weapons": 0.3, "hate": 1}')
    assert read_settings().engine.category_thresholds == {"weapons": 0.3, "hate": 1.0}
    given = read_settings(category_thresholds='{"fraud": 0}')
    assert given.engine.category_thresholds == {"fraud": 0.0}


def test_settings_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(SettingsInvalid, match="max_queue_tokens"):
        read_settings(max_queue_tokens=2000, max_exchange_tokens=2001)


def test_the_upstream_key_is_masked_and_an_empty_one_is_none() -> None:
    settings = read_settings(upstream_url="https://host/v1/", upstream_api_key="zzsecretzz")
    assert settings.upstream.url == "https://host/v1"
    assert "zzsecretzz" not in repr(settings)
    assert settings.upstream.api_key is not None
    assert settings.upstream.api_key.get_secret_value() == "zzsecretzz"
    assert read_settings(upstream_api_key="").upstream.api_key is None
    assert read_settings(upstream_api_key_file="key").upstream.has_key
    with pytest.raises(SettingsInvalid, match="are two keys; set one") as caught:
        read_settings(upstream_api_key="zzsecretzz", upstream_api_key_file="key")
    assert "zzsecretzz" not in str(caught.value)


def test_keys_come_from_both_places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("# comment\nthree\n\n four \n")
    monkeypatch.setenv("POSTERN_API_KEYS", " key-1,two ,,")
    settings = read_settings(api_keys_file=file)
    assert settings.access.accepted_keys() == ("key-1", "two", "three", "four")
    assert "key-1" not in repr(settings)


@pytest.mark.parametrize("content", [None, b"", b"# nothing\n", b"\xff\xfe"])
def test_a_key_file_without_keys_is_refused(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "keys"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsInvalid):
        read_settings(api_keys_file=file).access.accepted_keys()


@pytest.mark.parametrize("languages", ["de-DE", "German", "DE", "zzsecretzz"])
def test_languages_of_a_teacher_are_tags_of_a_teacher_at_a_url(languages: str) -> None:
    teacher = {"teacher_url": "http://host", "teacher_kind": "postern"}
    found = read_settings(**teacher, teacher_languages="de, fr").teacher.languages
    assert found == ("de", "fr")
    with pytest.raises(SettingsInvalid, match="teacher_languages must hold tags"):
        read_settings(**teacher, teacher_languages=languages)
    with pytest.raises(SettingsInvalid, match="set that"):
        read_settings(teacher_languages="de")


def test_a_route_has_its_own_mode_or_the_common_one() -> None:
    assert read_settings().trial.mode_of("/v1/chat/completions") == "enforce"
    trial = read_settings(
        mode="audit", route_modes='{"/beta/litellm_basic_guardrail_api": "enforce"}'
    ).trial
    assert trial.mode_of("/v1/chat/completions") == "audit"
    assert trial.mode_of("/beta/litellm_basic_guardrail_api") == "enforce"
