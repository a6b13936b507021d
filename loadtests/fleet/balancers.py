"""Which replica gets the next request: round robin, least connections, or the better of two."""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Protocol


class Balancer(Protocol):
    """`pick` a replica for a request, and `give_back` when it was answered, refused or lost."""

    def pick(self) -> int: ...

    def give_back(self, replica: int) -> None: ...


class RoundRobin:
    def __init__(self, replicas: int, rng: random.Random) -> None:
        self._replicas = replicas
        self._next = 0

    def pick(self) -> int:
        self._next = (self._next + 1) % self._replicas
        return self._next

    def give_back(self, replica: int) -> None:
        pass


class LeastConnections:
    """The replica with the fewest requests; of equals, the one that waited longest, as HAProxy."""

    def __init__(self, replicas: int, rng: random.Random) -> None:
        self._load = [0] * replicas
        order = list(range(replicas))
        rng.shuffle(order)
        self._levels: list[OrderedDict[int, None]] = [OrderedDict.fromkeys(order)]

    def pick(self) -> int:
        level = next(one for one in self._levels if one)
        replica, _ = level.popitem(last=False)
        self._place(replica, self._load[replica] + 1)
        return replica

    def give_back(self, replica: int) -> None:
        del self._levels[self._load[replica]][replica]
        self._place(replica, self._load[replica] - 1)

    def _place(self, replica: int, load: int) -> None:
        self._load[replica] = load
        while len(self._levels) <= load:
            self._levels.append(OrderedDict())
        self._levels[load][replica] = None


class TwoChoices:
    """The one with fewer requests of two that are drawn (Mitzenmacher 2001)."""

    def __init__(self, replicas: int, rng: random.Random) -> None:
        self._load = [0] * replicas
        self._rng = rng

    def pick(self) -> int:
        one = self._rng.randrange(len(self._load))
        other = self._rng.randrange(len(self._load) - 1)
        other += other >= one
        chosen = one if self._load[one] <= self._load[other] else other
        self._load[chosen] += 1
        return chosen

    def give_back(self, replica: int) -> None:
        self._load[replica] -= 1


BALANCERS: Final[dict[str, Callable[[int, random.Random], Balancer]]] = {
    "round robin": RoundRobin,
    "least connections": LeastConnections,
    "random two choices": TwoChoices,
}
