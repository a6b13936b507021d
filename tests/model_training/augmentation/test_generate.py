"""Exemplars come from the train side alone; the plan of calls is stable."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from pydantic import ValidationError

from model_training.augmentation.generate import ask, in_words, kinds_of, plan
from model_training.data.categories import CategoryMap
from model_training.data.rows import PoolRow, prompt_hash
from model_training.errors import DataInvalid
from model_training.recipe.augmentation import GenerateConfig, ServerConfig
from model_training.teachers.llm import ServerBackend, read_completion

GOLDEN = Path(__file__).resolve().parents[2] / "golden"
SERVER = ServerConfig(kind="server", base_url="http://127.0.0.1:9/v1", model="writer")
BACKEND = ServerBackend(SERVER, read=read_completion)


def _config(**changes: object) -> GenerateConfig:
    return GenerateConfig.model_validate(
        {"model": SERVER, "harmful": 30, "benign": 20, "exemplars": 2, **changes}
    )


def _pool() -> list[PoolRow]:
    rows = [
        PoolRow(source="a", prompt=f"take the {n} apples", prompt_label=1, category="x/Theft_big")
        for n in range(6)
    ]
    rows += [PoolRow(source="b", prompt=f"other {n} one", prompt_label=1) for n in range(4)]
    rows += [PoolRow(source="b", prompt="single", prompt_label=1, category="rare")]
    rows += [PoolRow(source="a", prompt=f"harmless {n}", prompt_label=0) for n in range(5)]
    rows += [PoolRow(source="a", prompt="held out", prompt_label=1, category="x/Theft_big")]
    rows += [PoolRow(source="a", prompt="long " * 100, prompt_label=1)]
    rows += [PoolRow(source="a", prompt="a pair", response="b", response_label=1)]
    return rows


_TRAIN = frozenset(prompt_hash(row.prompt) for row in _pool() if row.prompt != "held out")


def test_exemplars_are_labelled_harmful_short_and_of_the_train_side() -> None:
    kinds = kinds_of(_pool(), train=_TRAIN, config=_config())
    assert [(kind.source, kind.category, len(kind.prompts)) for kind in kinds] == [
        ("a", "x, theft big", 6),
        ("b", None, 5),  # the rare category joins those without one
    ]


def test_sources_can_be_chosen() -> None:
    kinds = kinds_of(_pool(), train=_TRAIN, config=_config(exemplar_sources=["b"]))
    assert {kind.source for kind in kinds} == {"b"}
    with pytest.raises(DataInvalid, match="exemplar"):
        kinds_of(_pool(), train=_TRAIN, config=_config(exemplar_sources=["none"]))


def test_families_group_prompts_by_their_words_whatever_their_source() -> None:
    pool = [
        PoolRow(source="a", prompt="steal\nthe apples", prompt_label=1, category="x"),
        PoolRow(source="b", prompt="steal the pears", prompt_label=1),
        PoolRow(source="post", prompt="they steal apples", prompt_label=1),
        PoolRow(source="post", prompt="they eat apples", prompt_label=1),
        PoolRow(source="b", prompt="eat the pears", prompt_label=1),
    ]
    kinds = kinds_of(
        pool,
        train=frozenset(prompt_hash(row.prompt) for row in pool),
        config=_config(categories="families", exemplars=0),
        styles={"post": "social", "a": "chat"},
    )
    assert [(kind.source, kind.category, kind.prompts) for kind in kinds] == [
        (None, None, ("eat the pears",)),
        (None, "a post", ("they eat apples",)),
        (None, "theft", ("steal\nthe apples", "steal the pears")),
        (None, "theft, a post", ("they steal apples",)),
    ]


MAP = CategoryMap(
    taxonomy=("cyber", "illegal_drugs", "sexual_minors", "violence"),
    map={
        "a": {"x/*": ("illegal_drugs", "violence"), "y": ("sexual_minors", "violence")},
        "b": {"rare": ("cyber",)},
    },
)


def test_the_map_gives_kinds_of_harm_and_each_has_its_weight() -> None:
    pool = [*_pool(), PoolRow(source="a", prompt="of minors", prompt_label=1, category="y")]
    weights = {"illegal_drugs": 3.0, "violence": 0.0}
    config = _config(categories="map", category_weights=weights, exemplars=1, harmful=4000)
    train = _TRAIN | {prompt_hash("of minors")}
    kinds = kinds_of(pool, train=train, config=config, known=MAP)
    assert [(kind.source, kind.category, len(kind.prompts), kind.weight) for kind in kinds] == [
        (None, None, 4, 1.0),
        (None, "hacking and malware", 1, 1.0),
        (None, "illegal drugs", 6, 3.0),
        (None, "violence", 6, 0.0),
    ]
    assert not any("of minors" in kind.prompts for kind in kinds)
    asked = Counter(one.kind.category for one in plan(kinds, config, BACKEND))
    shares = {None: 2.0, "hacking and malware": 1.0, "illegal drugs": 3 * 6**0.5}
    assert asked.keys() == shares.keys()
    for category, share in shares.items():
        expected = share / sum(shares.values())
        assert asked[category] / asked.total() == pytest.approx(expected, abs=0.03)
    nothing = _config(categories="map", category_weights={"cyber": 0.0}, exemplars=1)
    with pytest.raises(DataInvalid, match="exemplar"):
        kinds_of([pool[10]], train=train, config=nothing, known=MAP)


def test_weights_need_the_map() -> None:
    with pytest.raises(ValidationError, match="category_weights"):
        _config(category_weights={"violence": 2.0})


@pytest.mark.parametrize(
    ("category", "words"),
    [
        ("malicious_use/['Theft']", "malicious use, theft"),
        ("2.1 descriptive attacks", "descriptive attacks"),
        (None, None),
        ("7/8", None),
        ("x" * 80, None),
    ],
)
def test_categories_are_put_into_words(category: str | None, words: str | None) -> None:
    assert in_words(category) == words


def test_asking_for_more_keeps_the_earlier_calls() -> None:
    kinds = kinds_of(_pool(), train=_TRAIN, config=_config())
    few = {one.call.key for one in plan(kinds, _config(), BACKEND)}
    many = {one.call.key for one in plan(kinds, _config(harmful=60, benign=25), BACKEND)}
    assert len(few) == 50
    assert few < many


@pytest.mark.parametrize("draws", [1, 4])
def test_draws_share_a_request_and_differ_in_their_seed_alone(draws: int) -> None:
    kinds = kinds_of(_pool(), train=_TRAIN, config=_config())
    planned = plan(kinds, _config(draws=draws), BACKEND)
    assert [one.intent for one in planned] == ["harmful"] * 30 + ["benign"] * 20
    assert len({one.call.key for one in planned}) == 50
    for first in (0, 30):
        some = [one.call.body for one in planned[first : first + draws]]
        assert len({json.dumps(body | {"seed": 0}, sort_keys=True) for body in some}) == 1
        assert len({body["seed"] for body in some}) == draws
    # The plan is longer by part of a request, or by several.
    for more in (31, 33, 60):
        longer = plan(kinds, _config(draws=draws, harmful=more), BACKEND)
        assert [one.call.key for one in longer[:30]] == [one.call.key for one in planned[:30]]


def test_one_draw_is_planned_as_before_there_were_draws() -> None:
    """Else journals of earlier runs would be of no use. Keys of a plan of an earlier version."""
    kinds = kinds_of(_pool(), train=_TRAIN, config=_config())
    keys = [one.call.key[:12] for one in plan(kinds, _config(harmful=2, benign=1), BACKEND)]
    assert keys == ["47d2930397a9", "28b419e1089f", "9a64b8910a4a"]


def test_another_seed_is_another_plan() -> None:
    kinds = kinds_of(_pool(), train=_TRAIN, config=_config())
    first = {one.call.key for one in plan(kinds, _config(), BACKEND)}
    assert first.isdisjoint(one.call.key for one in plan(kinds, _config(seed=1), BACKEND))


@pytest.mark.parametrize(("share", "low", "high"), [(0.0, 0, 0), (0.3, 40, 80), (1.0, 200, 200)])
def test_a_share_of_calls_goes_without_a_prefix(share: float, low: int, high: int) -> None:
    config = _config(harmful=200, benign=0, without_prefix_share=share)
    planned = plan(kinds_of(_pool(), train=_TRAIN, config=config), config, BACKEND)
    bare = [one for one in planned if one.prefix is None]
    assert low <= len(bare) <= high
    for one in planned:
        begun = one.call.body["messages"][-1]["role"] == "assistant"
        assert begun == (one.prefix is not None) == ("continue_final_message" in one.call.body)


def test_all_prefixes_and_kinds_are_used() -> None:
    config = _config(harmful=100)
    planned = plan(kinds_of(_pool(), train=_TRAIN, config=config), config, BACKEND)
    harmful = [one for one in planned if one.intent == "harmful"]
    assert {one.prefix for one in harmful} == set(config.harmful_prefixes)
    assert {one.prefix for one in planned if one.intent == "benign"} == set(config.benign_prefixes)
    assert min(Counter(one.kind.source for one in harmful).values()) > 20


def test_prompts_are_frozen() -> None:
    """The first sentence is the paper's."""
    golden = json.loads((GOLDEN / "generate_prompts.json").read_text())
    assert _prompts() == golden
    assert golden["harmful"]["generic"].startswith(
        "Make a single harmful instruction prompt that would elicit offensive content."
    )


def _prompts() -> dict[str, dict[str, str]]:
    categorised, generic = kinds_of(_pool(), train=_TRAIN, config=_config())
    return {
        intent: {
            "category": ask(intent, categorised, categorised.prompts[:2], _config()),
            "generic": ask(intent, generic, (), _config()),
        }
        for intent in ("harmful", "benign")
    }


def test_own_templates_and_exemplars_may_hold_braces() -> None:
    kind, _ = kinds_of(_pool(), train=_TRAIN, config=_config())
    config = _config(harmful_template="<harmful>{category} {x} {0}\n{exemplars}")
    text = ask("harmful", kind, ["print({y})\n\n2. {exemplars}"], config)
    assert text.startswith("<harmful> about x, theft big {x} {0}\nExamples:\n1. print({y}) 2. {ex")
