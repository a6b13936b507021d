"""Errors that only the guarded proxy raises, besides those in `errors`.

InvalidExchange
└── UnreadableTokens
RequestRefused
└── InvalidQuery
"""

from __future__ import annotations

from postern.contract.errors import InvalidExchange, RequestRefused


class UnreadableTokens(InvalidExchange):
    """The text is given as ids of tokens or as vectors, which cannot be judged."""

    def __init__(self, field: str) -> None:
        super().__init__(
            f"{field} holds ids of tokens or vectors, which cannot be judged; send the text itself"
        )
        self.field = field


class InvalidQuery(RequestRefused):
    """The query of the URL holds more than names and versions."""

    def __init__(self) -> None:
        super().__init__(
            "the query of the URL must hold names, each once with a value of at most 64 of "
            "A-Za-z0-9_.:-"
        )
