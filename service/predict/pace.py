"""How fast requests are refused, so that refusing leaves time for those that were accepted. Used by
`Predictor`.

A refusal costs this process's one core a good millisecond. Clients who ask again soon after it, whatever
`Retry-After` says, ask for more of them than there is time for, and what was accepted waits beside them. A
client that hears its refusal later asks less often, and waiting costs nothing.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

A_SECOND = 150
"""As many refusals cost some fifth of a core."""
AT_ONCE = 150
"""That come together are refused together: a burst is no overload."""
LATER_S = 6.0
"""At most. Who would have to wait for longer is refused at once: not more than 900 wait at a time, and hold
what has come of their bodies, 256 KiB or so."""


@dataclass
class Pace:
    """The generic cell rate algorithm (ITU-T I.371). Used by one event loop."""

    a_second: float = A_SECOND
    at_once: int = AT_ONCE
    later_s: float = LATER_S
    clock: Callable[[], float] = time.monotonic
    spent_until: float = 0.0
    """By the clock: when all refusals so far would have been given at an even pace."""

    def turn(self) -> float:
        """Seconds until one more may be given, for which it is then counted; 0 if that is too long."""
        now = self.clock()
        even = max(self.spent_until, now)
        wait = max(0.0, even - now - (self.at_once - 1) / self.a_second)
        if wait > self.later_s:
            return 0.0
        self.spent_until = even + 1 / self.a_second
        return wait
