"""Promises of a sweep's page: all of the report, its pictures inside, and nothing of the client's that a
browser would run."""

from base64 import b64decode
from collections.abc import Sequence
from html.parser import HTMLParser

from service.sweeps import page, pictures
from service.sweeps.measured import ReportInput
from service.sweeps.pictures import Picture
from tests.sweeps.made_up import looked_into, preset_input, report_input, trial


class Seen(HTMLParser):
    """What a page consists of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [value for name, value in attrs if name == "src" and value]

    def handle_data(self, data: str) -> None:
        self.text += data


def drawn_here(given: ReportInput, names: Sequence[Picture]) -> list[bytes]:
    return [pictures.draw(given, name) for name in names]


def page_of(given: ReportInput) -> str:
    return page.of(given, drawn_here)


def test_a_page_has_a_row_for_each_network_and_its_pictures() -> None:
    seen = Seen(page_of(preset_input("paper-table-6", "fashion-mnist-mini", 0.01)))
    assert seen.tags.count("table") == 1
    assert seen.tags.count("tr") == 1 + 12
    assert "resnet110" in seen.text
    assert len(seen.sources) == 2
    for source in seen.sources:
        kind, _, picture = source.partition(",")
        assert kind == "data:image/png;base64"
        assert b64decode(picture).startswith(b"\x89PNG")


def test_the_layers_have_a_picture_where_they_are_measured() -> None:
    given = preset_input("paper-figure-7", "fashion-mnist-mini", 0.01)
    assert len(Seen(page_of(looked_into(given))).sources) == 1 + len(Seen(page_of(given)).sources)


def test_names_are_text_and_not_markup() -> None:
    bad = "<script>alert(1)</script> <img src=x> [a](javascript:alert(1))"
    written = page_of(report_input([trial(1, {"arch": "resnet20"}, [30.0])], title=bad))
    seen = Seen(written)
    assert not {"script", "a"} & set(seen.tags)
    assert all(source.startswith("data:") for source in seen.sources)
    assert bad in seen.text


def test_a_browser_reads_the_page_of_a_sweep_that_moves_anew() -> None:
    done = trial(1, {"arch": "resnet20"}, [30.0])
    moving = trial(2, {"arch": "resnet32"}, [30.0], state="running")
    refresh = 'http-equiv="refresh"'
    assert refresh not in page_of(report_input([done]))
    assert refresh in page_of(report_input([done, moving]))
