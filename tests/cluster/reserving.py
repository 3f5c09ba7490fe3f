"""A job of Ray's that reserves a tenth of a CPU, and ends. Ray keeps that: it is asked to, because nobody can
say when it would forget. With `--tidy` it gives back whatever is reserved."""

import sys

import ray
from ray._raylet import PlacementGroupID
from ray.util.placement_group import (
    PlacementGroup,
    placement_group,
    placement_group_table,
    remove_placement_group,
)


def main() -> None:
    ray.init()
    if "--tidy" in sys.argv:
        for group in placement_group_table():
            remove_placement_group(PlacementGroup(PlacementGroupID(bytes.fromhex(group))))
    else:
        ray.get(placement_group([{"CPU": 0.1}], lifetime="detached").ready())


if __name__ == "__main__":
    main()
