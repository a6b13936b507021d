"""What the settings leave open is decided for the machine, and what they say is kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from postern.inference.engine import engine_for, runtimes_for, usable_cores
from postern.settings.engine import EngineSettings as Settings


def engine(cores: int, **changes: object) -> tuple[int, int, int]:
    found = engine_for(Settings(**changes), cores)  # type: ignore[arg-type]
    return found.workers, found.threads, found.threads_alone


@pytest.mark.parametrize("cores", [1, 2, 8])
def test_a_processor_has_a_worker_for_each_core_and_all_of_them_for_a_text_alone(
    cores: int,
) -> None:
    assert engine(cores) == (cores, 1, cores)


def test_what_is_set_is_kept() -> None:
    assert engine(8, workers=2) == (2, 4, 8)
    assert engine(8, workers=1) == (1, 8, 8)
    assert engine(8, workers=3, intra_op_threads=2) == (3, 2, 2)
    assert engine_for(Settings(max_batch_tokens=100), 2).max_batch_tokens == 100


def test_there_are_never_more_workers_than_may_be_set() -> None:
    assert engine(1000) == (64, 15, 1000)


def test_a_card_takes_all_that_waits_at_once() -> None:
    assert engine(16, device="cuda", workers=2) == (2, 8, 8)  # weights once in its memory
    found = engine_for(Settings(device="cuda"), 16)
    assert (found.workers, found.shares) == (1, 1)
    assert found.max_batch_tokens > engine_for(Settings(), 16).max_batch_tokens


@pytest.mark.parametrize(
    ("quota", "cores"),
    [("50000 100000", 1), ("100000 100000", 1), ("1000 100000", 1)],
)
def test_a_container_that_may_burn_less_has_fewer_cores(
    tmp_path: Path, quota: str, cores: int
) -> None:
    (tmp_path / "cpu.max").write_text(quota + "\n")
    assert usable_cores(tmp_path / "cpu.max") == cores


@pytest.mark.parametrize("quota", ["max 100000", "", "100000", "x y", "9 0", "9900000000 100000"])
def test_without_a_limit_all_cores_count(tmp_path: Path, quota: str) -> None:
    (tmp_path / "cpu.max").write_text(quota)
    assert usable_cores(tmp_path / "cpu.max") == usable_cores(tmp_path / "missing") >= 1


@pytest.mark.parametrize("installed", [True, False])
@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("promised", [True, False])
@pytest.mark.parametrize("is_first", [True, False])
def test_openvino_is_chosen_only_where_it_was_measured_to_win(
    installed: bool, wide: bool, promised: bool, is_first: bool
) -> None:
    def chosen(**changes: object) -> tuple[str, ...]:
        settings = Settings(**changes)  # type: ignore[arg-type]
        return runtimes_for(
            settings, installed=installed, wide=wide, promised=promised, is_first=is_first
        )

    wins = installed and wide and not promised and is_first
    assert chosen(engine="auto") == (("openvino", "onnxruntime") if wins else ("onnxruntime",))
    assert chosen(engine="auto", device="cuda") == ("onnxruntime",)
    assert chosen(engine="openvino") == ("openvino",)
    assert chosen(engine="onnxruntime") == ("onnxruntime",)
