"""The report of a sweep as one HTML page with its pictures inside: it can be kept, sent and printed."""

from base64 import b64encode
from collections.abc import Callable, Sequence
from html import escape
from string import Template

from markdown_it import MarkdownIt

from service.sweeps import markdown, report
from service.sweeps.measured import ReportInput
from service.sweeps.pictures import Picture

Draw = Callable[[ReportInput, Sequence[Picture]], Sequence[bytes]]
"""One PNG a name, in their order."""

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
}
"""Nothing is fetched and nothing runs."""
LOOK_EVERY_S = 15
"""A browser reads the page of a sweep that moves anew."""
CAPTIONS: dict[Picture, str] = {
    "curves": "Training error thin, validation error bold",
    "depth": "Error by depth",
    "responses": "Standard deviations of layer responses",
}

PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">$refresh
<title>$title</title>
<style>
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1c1c1c; background: #fff; margin: 2rem auto;
  padding: 0 1rem; max-width: 72rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2rem; }
.table { overflow-x: auto; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
th { text-align: left; border-bottom: 2px solid #1c1c1c; vertical-align: bottom; }
td, th { padding: .3rem .7rem .3rem 0; }
tr + tr td { border-top: 1px solid #ddd; }
td:nth-child(n + 2) { white-space: nowrap; }
figure { margin: 2rem 0; } img { max-width: 100%; } figcaption { color: #555; font-size: .875rem; }
</style>
</head>
<body>
$text
$figures
</body>
</html>
""")


def of(given: ReportInput, draw: Draw) -> str:
    """The page."""
    shown = _shown(given)
    drawn = zip(shown, draw(given, shown), strict=True)
    text = _markdown().render(markdown.of(report.write(given)))
    moves = any(trial.ending == "unfinished" for trial in given.trials)
    return PAGE.substitute(
        title=escape(given.title),
        refresh=f'\n<meta http-equiv="refresh" content="{LOOK_EVERY_S}">' if moves else "",
        text=text.replace("<table>", '<div class="table"><table>').replace(
            "</table>", "</table></div>"
        ),
        figures="\n".join(_figure(name, picture) for name, picture in drawn),
    )


def _markdown() -> MarkdownIt:
    """Tables, and no HTML: names are the client's."""
    return MarkdownIt("commonmark", {"html": False}).enable("table")


def _shown(given: ReportInput) -> list[Picture]:
    found: list[Picture] = ["curves", "depth"]
    return [*found, "responses"] if any(trial.responses for trial in given.trials) else found


def _figure(name: Picture, picture: bytes) -> str:
    caption, encoded = CAPTIONS[name], b64encode(picture).decode()
    return (
        f'<figure><img alt="{caption}" src="data:image/png;base64,{encoded}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )
