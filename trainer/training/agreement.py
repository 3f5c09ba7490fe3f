"""How all workers end after the same step when one of them wishes it. `reporter` asks each step."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.distributed as dist
from torch import Tensor

from trainer.training.group import Group


@dataclass
class Agreement:
    """The wish of one step travels during the next, so nobody waits for it: a GPU's queue neither,
    because it goes from one machine's memory to another's."""

    group: Group
    wished: Callable[[], bool]
    """Whether this worker wants to end."""
    wishers: list[int] = field(default_factory=list)
    """The workers that wished it, once all end."""
    _travelling: tuple[Tensor, dist.Work | None] | None = None

    def goes_on(self) -> bool:
        """To be asked by every worker after each step: False on all of them after the same one."""
        if self._arrived():
            return False
        wish = torch.zeros(self.group.world)
        wish[self.group.rank] = self.wished()
        self._travelling = wish, self.group.add_later(wish)
        return True

    def _arrived(self) -> bool:
        if self._travelling is None:
            return False
        wish, work = self._travelling
        self._travelling = None
        if work is not None:
            work.wait()
        self.wishers = wish.nonzero().flatten().tolist()
        return bool(self.wishers)
