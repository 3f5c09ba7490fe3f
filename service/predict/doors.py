"""Doors of replicas that this process knows (ADR 30). Used by `ways`.

A replica tells of its door in its answer to a request that came by Ray Serve's proxy. Once all replicas of a
version have, requests go straight to the one that is asked least; until then, and where a door fails, by the
proxy.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from trainer.contract.doors import Door

SHUT_S = 600.0
"""How long a door to which there was no way, behind a firewall perhaps, is not tried again."""
VERSIONS = 256
"""Of which doors are known; of more, the newest."""

Whose = tuple[str, str, int]
"""A version: project, model, number."""


@dataclass
class Use:
    """Of one door."""

    asking: int = 0
    """Requests inside."""
    proved: bool = False
    """It has led to an answer. Until then one request at a time tries it."""


@dataclass
class Doors:
    """Used by one event loop."""

    clock: Callable[[], float] = time.monotonic
    _known: dict[Whose, dict[Door, Use]] = field(default_factory=dict)
    _shut: dict[Door, float] = field(default_factory=dict)
    """Until when."""

    def hear(self, whose: Whose, said: str) -> None:
        """A replica of that version `said` where its door is."""
        try:
            door = Door.heard(said)
        except ValueError:
            return
        now = self.clock()
        self._shut = {shut: until for shut, until in self._shut.items() if until > now}
        if door not in self._shut:
            self._known.setdefault(whose, {}).setdefault(door, Use())
        while len(self._known) > VERSIONS:
            del self._known[next(iter(self._known))]

    @contextmanager
    def one_of(self, whose: Whose, replicas: int) -> Iterator[Door | None]:
        """The door to ask at, if all of the version's `replicas` have told of theirs. With 0, how many there
        are is not known."""
        known = self._known.get(whose, {})
        free = [door for door, use in known.items() if use.proved or not use.asking]
        if not free or not replicas or len(known) < replicas:
            yield None
            return
        door = min(free, key=lambda each: known[each].asking)
        use = known[door]
        use.asking += 1
        try:
            yield door
        finally:
            use.asking -= 1

    def prove(self, whose: Whose, door: Door) -> None:
        """It led to an answer."""
        if use := self._known.get(whose, {}).get(door):
            use.proved = True

    def forget(self, whose: Whose, door: Door, *, shut: bool) -> None:
        """It led to nothing; `shut`: not even to a replica."""
        if shut:
            self._shut[door] = self.clock() + SHUT_S
        known = self._known.get(whose, {})
        known.pop(door, None)
        if not known:
            self._known.pop(whose, None)
