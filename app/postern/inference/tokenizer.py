"""Segments -> windows of token ids. Every token of the text lies in at least one window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from tokenizers import Tokenizer as HubTokenizer

from postern.contract.errors import ArtifactInvalid, ExchangeTooLong
from postern.contract.windows import Encoding, Ids, Span, Window


@dataclass(frozen=True, slots=True)
class _Frame:
    """Special tokens that a tokenizer puts around its segments, read from the tokenizer itself."""

    special: tuple[Ids, ...]  # before, between, after
    special_types: tuple[Ids, ...]
    segment_types: tuple[int, ...]

    @property
    def overhead(self) -> int:
        return sum(len(ids) for ids in self.special)

    def window(self, *parts: Ids) -> Window:
        ids, types = [self.special[0]], [self.special_types[0]]
        for index, part in enumerate(parts):
            ids += [part, self.special[index + 1]]
            types += [np.full(len(part), self.segment_types[index]), self.special_types[index + 1]]
        return Window(np.concatenate(ids), np.concatenate(types).astype(np.int64))


class Tokenizer:
    """Cuts the segments of an exchange into windows.

    A text that fits `window_tokens` is one window. A longer prompt is read in windows that overlap
    by `overlap_tokens`. In a pair, each window of the response stands beside its prompt. A prompt
    that takes more than half a window is itself read in windows, which are dealt in order over
    those of the response, so that all of both is read at linear cost.

    Thread-safe. `tokenizer_json`: the content of a `tokenizer.json` of the tokenizers library.
    """

    def __init__(self, tokenizer_json: bytes, *, window_tokens: int, overlap_tokens: int) -> None:
        try:
            self._hub = HubTokenizer.from_buffer(tokenizer_json)
        except Exception as exc:  # the library raises bare Exception
            raise ArtifactInvalid("tokenizer.json cannot be read") from exc
        self._hub.no_padding()
        self._hub.no_truncation()
        try:
            self._frames = tuple(self._read_frame(n_segments) for n_segments in (1, 2))
        except ArtifactInvalid:
            raise
        except Exception as exc:  # the library raises bare Exception, for an empty vocabulary too
            raise ArtifactInvalid("tokenizer.json cannot tokenize a letter") from exc
        # From here on a user's literal "[SEP]" is text; only the frame places special tokens.
        self._hub.encode_special_tokens = True
        self._spelled = self._spell_special_tokens()
        if (
            window_tokens - self._frames[1].overhead < 8
            or not 0 <= overlap_tokens < window_tokens // 4
        ):
            raise ArtifactInvalid("window_tokens is too small or overlap_tokens too large")
        self.window_tokens = window_tokens
        self.overlap_tokens = overlap_tokens

    @property
    def vocabulary_size(self) -> int:
        return self._hub.get_vocab_size(with_added_tokens=True)

    def encode(self, segments: Sequence[str], *, max_tokens: int | None = None) -> Encoding:
        """Raises ExchangeTooLong if the text has more than `max_tokens` tokens."""
        return self.encode_many([segments], max_tokens=max_tokens)[0]

    def encode_many(
        self, many: Sequence[Sequence[str]], *, max_tokens: int | None = None
    ) -> list[Encoding]:
        """`encode` for each exchange, tokenized in parallel outside the interpreter's lock."""
        # Tokenize each text once: in a conversation, many answers share a prompt.
        texts = list(dict.fromkeys(segment for segments in many for segment in segments))
        encoded = self._hub.encode_batch_fast(texts, add_special_tokens=False)
        ids = {
            text: self._as_text(np.array(one.ids, dtype=np.int64))
            for text, one in zip(texts, encoded, strict=True)
        }
        return [
            self._assemble([ids[segment] for segment in segments], max_tokens) for segments in many
        ]

    def excerpt(self, segment: str, span: Span) -> str:
        """The part of a segment that covers these tokens, counted as in `Encoding.spans`."""
        start, end = self.characters(segment, span)
        return segment[start:end]

    def characters(self, segment: str, span: Span) -> Span:
        """The characters of a segment that cover these tokens, counted as in `Encoding.spans`."""
        encoded = self._hub.encode(segment, add_special_tokens=False)
        places, (start, end) = encoded.offsets, span
        if start == end:
            return 0, 0
        tokens = len(self._as_text(np.array(encoded.ids, dtype=np.int64)))
        if tokens != len(places):
            # A literal special token was spelled as several tokens, so cut in proportion, and never
            # too little.
            return start * len(segment) // tokens, -(-end * len(segment) // tokens)
        return places[start][0], places[end - 1][1]

    def _as_text(self, ids: Ids) -> Ids:
        """Token ids of a text, without any special token."""
        if not self._spelled or not np.isin(ids, list(self._spelled)).any():
            return ids
        return np.concatenate(
            [self._spelled.get(int(one), ids[i : i + 1]) for i, one in enumerate(ids)]
        )

    def _spell_special_tokens(self) -> dict[int, Ids]:
        """Map each special token that text can still turn into to the ids of its spelled-out name.

        A SentencePiece vocabulary holds them among its ordinary pieces, so the model itself finds
        them in text.
        """

        def ids_of(text: str) -> list[int]:
            return list(self._hub.encode(text, add_special_tokens=False).ids)

        added = self._hub.get_added_tokens_decoder()
        # the token of a private character, which stands for no text
        unknown = set(ids_of("\U0010fffd"))
        special = {place for place, token in added.items() if token.special} - unknown
        spelled: dict[int, Ids] = {}
        for place in special:
            name = added[place].content
            if place in ids_of(name):
                pieces = [one for char in name for one in ids_of(char) if one not in special]
                spelled[place] = np.array(pieces, dtype=np.int64)
        return spelled

    def _assemble(self, parts: list[Ids], max_tokens: int | None) -> Encoding:
        tokens = sum(len(part) for part in parts)
        if max_tokens is not None and tokens > max_tokens:
            raise ExchangeTooLong(what="tokens", limit=max_tokens)
        frame = self._frames[len(parts) - 1]
        room = self.window_tokens - frame.overhead
        if tokens <= room:
            return Encoding((frame.window(*parts),), tokens, len(parts[0]))
        spans: list[tuple[Span, ...]]
        if len(parts) == 1:
            spans = [(span,) for span in self._slide(len(parts[0]), room)]
        else:
            spans = self._pair_spans(len(parts[0]), len(parts[1]), room=room)
        windows = tuple(
            frame.window(*(ids[start:end] for ids, (start, end) in zip(parts, held, strict=True)))
            for held in spans
        )
        return Encoding(windows, tokens, len(parts[0]), tuple(spans))

    def _pair_spans(self, prompt: int, response: int, *, room: int) -> list[tuple[Span, ...]]:
        """The span that each window holds of a prompt and a response of these lengths."""
        if prompt <= room // 2:
            prompts = [(0, prompt)]
            responses = self._slide(response, room - prompt)
        elif response <= room // 2:
            prompts = self._slide(prompt, room - response)
            responses = [(0, response)]
        else:
            prompts = self._slide(prompt, room // 2)
            responses = self._slide(response, room - room // 2)
        n_windows = max(len(prompts), len(responses))
        return [
            (
                prompts[index * len(prompts) // n_windows],
                responses[index * len(responses) // n_windows],
            )
            for index in range(n_windows)
        ]

    def _slide(self, tokens: int, room: int) -> list[Span]:
        """Overlapping spans of at most `room` tokens.

        The last one is full, so no short tail stands alone.
        """
        if tokens <= room:
            return [(0, tokens)]
        step = room - self.overlap_tokens
        starts = [*range(0, tokens - room, step), tokens - room]
        return [(start, start + room) for start in starts]

    def _read_frame(self, n_segments: int) -> _Frame:
        probe = self._hub.encode("a", "a" if n_segments == 2 else None)
        special: list[list[int]] = [[]]
        special_types: list[list[int]] = [[]]
        segment_types: list[int] = []
        last: int | None = None
        if not any(segment is not None for segment in probe.sequence_ids):
            raise ArtifactInvalid("tokenizer.json cannot tokenize a letter")
        for token, type_id, segment in zip(
            probe.ids, probe.type_ids, probe.sequence_ids, strict=True
        ):
            if segment is None:
                special[-1].append(token)
                special_types[-1].append(type_id)
            elif segment != last:
                segment_types.append(type_id)
                special.append([])
                special_types.append([])
                last = segment
        if len(special) != n_segments + 1:
            raise ArtifactInvalid("tokenizer.json does not give its segments different type ids")
        return _Frame(
            tuple(np.array(ids, dtype=np.int64) for ids in special),
            tuple(np.array(ids, dtype=np.int64) for ids in special_types),
            tuple(segment_types),
        )
