"""Errors of policies. Their place in the tree of errors stands in `errors.py`."""

from __future__ import annotations

from postern.contract.errors import Overloaded, RequestRefused, SettingsInvalid


class PoliciesInvalid(SettingsInvalid):
    """The file of policies is wrong, so nothing of it is used. Values are never repeated."""


class OptionFixed(RequestRefused):
    """The request chooses something that the caller's policy fixes."""

    def __init__(self, option: str) -> None:
        super().__init__(f"the policy of this caller fixes {option}, so a request may not set it")
        self.option = option


class UnknownBlocklist(RequestRefused):
    """The request names a list that the caller's policy does not have, or that blocks no prompts.

    index: place of the name in the request. The name itself is never repeated.
    """

    def __init__(self, index: int) -> None:
        super().__init__(
            f"blocklistNames.{index}: the policy of this caller has no list of this name that "
            "blocks prompts; GET /info names its lists"
        )


class RateExceeded(Overloaded):
    """The caller sent more requests in a minute than its policy allows."""

    def __init__(self, limit: int, *, retry_after_s: float) -> None:
        super().__init__(
            f"the policy of this caller allows {limit} requests in a minute",
            retry_after_s=retry_after_s,
        )
