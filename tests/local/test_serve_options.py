"""HAProxy in front of a local Ray Serve: its own files and ports, and only variables that Ray knows."""

from importlib.util import find_spec
from pathlib import Path

from service.local.serve_options import SWITCH, options

WANTED = {SWITCH: "1"}


def test_ray_knows_each_variable() -> None:
    ray = find_spec("ray")
    assert ray is not None
    assert ray.submodule_search_locations
    constants = Path(ray.submodule_search_locations[0], "serve", "_private", "constants.py")
    text = constants.read_text()
    names = [SWITCH, *options(WANTED, Path("/tmp/x"), [1, 2, 3])]
    assert [name for name in names if f'"{name}"' not in text] == []


def test_two_services_share_no_file_and_no_port() -> None:
    one = options(WANTED, Path("/tmp/one"), [1, 2, 3])
    two = options(WANTED, Path("/tmp/two"), [4, 5, 6])
    places = [name for name, value in one.items() if value.startswith("/") or name.endswith("PORT")]
    assert len(places) == 8
    assert not {one[name] for name in places} & {two[name] for name in places}


def test_haproxys_sockets_have_paths_that_are_short_enough() -> None:
    temp_dir = Path("/tmp/residual-abcdefgh")  # as `new_temp_dir` makes it
    made = options(WANTED, temp_dir, [1, 2, 3])
    for name in (name for name in made if name.endswith("SOCKET_PATH")):
        path = Path(made[name])
        assert len(str(path.parent / ("0" * 56) / path.name)) <= 96  # Ray adds its node's id


def test_nothing_is_set_unless_it_is_wanted() -> None:
    assert options({}, Path("/tmp/x"), [1, 2, 3]) == {}
