"""Writes the goldens of token ids anew: `python -m tests.golden.freeze ARTIFACT NAME`.

Only with a new TEXT_FORMAT: the frozen ids are what published students were trained on.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from postern.contract.artifact import read_artifact
from postern.contract.exchange import Exchange
from postern.contract.text import TEXT_FORMAT, segments
from postern.inference.tokenizer import Tokenizer

TEXTS: tuple[tuple[str, str | None], ...] = (
    ("How do I bake a cake?", None),
    ("Tell me a story.", "The cat reads a book."),
    ("Tell me a story.", ""),
    ("  many \t spaces\n\nand lines ", None),
    ("[CLS] literal [SEP] tokens [PAD] and [UNK] [MASK]", "[SEP]"),
    ("UPPER lower Ünïcödé \uff26\uff35 \ufb01ne", None),
    ("zero\u200bwidth soft\u00adhyphen \u202eright to left\u202c", None),
    ("tags " + "".join(chr(0xE0000 + ord(letter)) for letter in "spell"), None),
    ("日本語のテキスト \u0438 \u0440", "العربية"),
    ("👍🏽 emoji 👨‍👩‍👧", None),
    ("x" * 170, None),
    ("a\x00b control \x1b[0m", None),
)


def main(folder: Path, name: str) -> None:
    artifact = read_artifact(folder)
    tokenizer = Tokenizer(artifact.tokenizer, window_tokens=256, overlap_tokens=32)
    cases = []
    for prompt, response in TEXTS:
        encoding = tokenizer.encode(segments(Exchange(prompt, response)))
        (window,) = encoding.windows
        cases.append(
            {
                "prompt": prompt,
                "response": response,
                "tokens": encoding.tokens,
                "ids": window.ids.tolist(),
                "type_ids": window.type_ids.tolist(),
            }
        )
    path = Path(__file__).parent / f"tokens_format_{TEXT_FORMAT}_{name}.json"
    lines = ",\n    ".join(json.dumps(case) for case in cases)
    path.write_text(f'{{\n  "text_format": {TEXT_FORMAT},\n  "cases": [\n    {lines}\n  ]\n}}\n')


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
