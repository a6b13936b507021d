"""One event of an upstream's stream -> its chunks, one per choice, without copying shared fields.

When each choice took all fields with it, an event of 150 KB with 12,000 fields beside 12,000
choices became 5 GB. Now the first choice takes them, and the others take only what every chunk
needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from postern.chat_guard.bounds import EVENT, MAX_CHOICES, check_json, strict_json
from postern.chat_guard.readable import SAID, Path, fragments, has_media, texts
from postern.chat_guard.replies import FIELD
from postern.chat_guard.shape import Chunk
from postern.chat_guard.told import told_error
from postern.contract.errors import ExchangeTooLong, UpstreamInvalid, UpstreamTold

_FRAME: Final = ("id", "object", "created", "model")
_OTHER_SHAPE: Final = "the upstream streams something other than a completion"


def chunks_of(data: str, kind: str) -> list[Chunk]:
    """kind: the `object` of a chunk that is known.

    Raises UpstreamInvalid; UpstreamTold if the event is an error.
    """
    try:
        content = strict_json(data)
    except ValueError:
        raise UpstreamInvalid("the upstream streams something that is not JSON") from None
    try:
        check_json(content, EVENT)
    except ExchangeTooLong:
        raise UpstreamInvalid("an event of the upstream is too large") from None
    if not isinstance(content, dict):
        raise UpstreamInvalid(_OTHER_SHAPE)
    if (error := told_error(content)) is not None:
        raise UpstreamTold(error)
    content.pop(FIELD, None)  # a verdict from elsewhere is not ours
    choices = content.get("choices")
    fields = {name: value for name, value in content.items() if name != "choices"}
    beside = tuple(texts(fields, labels=True))
    unknown = not _is_known(content, kind)
    if choices is None or choices == []:
        return [
            Chunk(
                content,
                None,
                last=False,
                n_bytes=len(data),
                beside=beside,
                unknown_event=unknown,
            )
        ]
    if not isinstance(choices, list) or len(choices) > MAX_CHOICES:
        raise UpstreamInvalid(_OTHER_SHAPE)
    frame = {name: fields[name] for name in _FRAME if name in fields}
    n_bytes = len(data) // len(choices)
    first, *others = choices
    return [
        replace(_chunk(fields, first, n_bytes, beside), unknown_event=unknown),
        *(_chunk(frame, choice, n_bytes, ()) for choice in others),
    ]


def _is_known(content: Mapping[str, Any], kind: str) -> bool:
    """Whether an event is a chunk of this kind. Some upstreams leave the `object` out, and Azure's
    is empty where it tells of the prompt."""
    told = content.get("object")
    return told == kind or (told in (None, "") and "choices" in content)


def _chunk(
    fields: Mapping[str, Any], choice: Any, n_bytes: int, beside: tuple[tuple[Path, str], ...]
) -> Chunk:
    index = choice.get("index", 0) if isinstance(choice, dict) else None
    if not isinstance(index, int) or isinstance(index, bool):
        raise UpstreamInvalid(_OTHER_SHAPE)
    return Chunk(
        {**fields, "choices": [choice]},
        index,
        last=choice.get("finish_reason") is not None,
        n_bytes=n_bytes,
        found=tuple(fragments(choice)),
        beside=beside,
        media=has_media([choice.get(name) for name in SAID]),
    )
