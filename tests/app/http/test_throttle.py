"""Few guesses, then none for a while; bounded, and no shelter for those who share an address."""

from __future__ import annotations

from typing import Any

import pytest
from postern.contract.errors import TooManyWrongKeys, Unauthorized
from postern.http.request import Keys
from postern.http.throttle import Throttle

from tests.fakes import ManualClock


def test_ten_guesses_and_then_one_every_six_seconds() -> None:
    clock = ManualClock()
    throttle = Throttle(clock)
    throttle.right("a", b"known")
    for _ in range(10):
        throttle.check("a", b"guess")
        throttle.wrong("a")
    with pytest.raises(TooManyWrongKeys) as refused:
        throttle.check("a", b"guess")
    assert refused.value.retry_after_s == pytest.approx(6.0)
    throttle.check("a", b"known")
    throttle.check("b", b"guess")
    clock.advance(6.0)
    throttle.check("a", b"guess")
    throttle.wrong("a")
    with pytest.raises(TooManyWrongKeys):
        throttle.check("a", b"guess")
    clock.advance(3600.0)
    throttle.check("a", b"guess")


def test_a_subscriber_of_ipv6_is_one_address() -> None:
    throttle = Throttle(ManualClock())
    for number in range(10):
        throttle.wrong(f"2001:db8:1:2::{number:x}")
    with pytest.raises(TooManyWrongKeys):
        throttle.check("2001:db8:1:2:ffff::1", b"guess")
    throttle.check("2001:db8:1:3::1", b"guess")


def test_a_million_addresses_cost_little() -> None:
    throttle = Throttle(ManualClock())
    for number in range(20_000):
        throttle.wrong(f"address {number}")
        throttle.right(f"address {number}", b"known")
    assert len(throttle._tries) <= 4096
    assert len(throttle._known) <= 4096


def test_a_look_ahead_compares_no_key_that_a_check_would_not() -> None:
    """Else its answer would tell the right key to one who may not guess any more."""
    keys = Keys.of(["right"])

    def request(key: str) -> dict[str, Any]:
        return {"client": ("a", 1), "headers": [(b"x-api-key", key.encode())]}

    keys.recognize(request("right"))
    for number in range(10):
        with pytest.raises(Unauthorized):
            keys.check(request(f"wrong {number}"))
    for key in ("right", "wrong"):
        with pytest.raises(TooManyWrongKeys):
            keys.recognize(request(key))
        with pytest.raises(TooManyWrongKeys):
            keys.check(request(key))
