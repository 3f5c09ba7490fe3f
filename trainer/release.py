"""Gives back what Ray keeps reserved for jobs of its that are over. A job of Ray's, as only one may do it:
`python -m trainer.release GROUP …`, each the id of a placement group (ADR 31).
"""

import logging
import sys

import ray
from ray._raylet import PlacementGroupID
from ray.util.placement_group import PlacementGroup, remove_placement_group

log = logging.getLogger(__name__)


def main() -> None:
    """A group that is gone is nothing to give back."""
    logging.basicConfig(level=logging.INFO)
    ray.init(log_to_driver=False)
    for group in sys.argv[1:]:
        remove_placement_group(PlacementGroup(PlacementGroupID(bytes.fromhex(group))))
        log.info("gave back %s", group)


if __name__ == "__main__":
    main()
