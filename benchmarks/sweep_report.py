"""Plain and residual, 20 and 32 layers, every shortcut, two seeds: the sweep whose report and pictures lie in
docs/sweep: `python -m benchmarks.sweep_report`."""

import argparse
from pathlib import Path
from typing import Any

from benchmarks.jobs import done, seconds, service
from benchmarks.machine import header
from service.cli.sweep import PICTURES

BODY: dict[str, Any] = {
    "kind": "sweep",
    "name": "Plain and residual networks on fashion-mnist-mini",
    "dataset": "fashion-mnist-mini",
    "space": {"arch": ["plain", "resnet"], "depth": [20, 32], "shortcut": ["A", "B", "C"]},
    "recipe": {"name": "paper-cifar", "learning_rate": 0.05},
    "batch_size": 32,
    "workers": 1,
    "gpus_per_worker": 0,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--at-once", type=int, default=2)
    parser.add_argument("--output", type=Path, default=Path("docs/sweep"))
    asked = parser.parse_args()
    search = {"seeds": asked.seeds, "at_once": asked.at_once}
    with service() as client:
        sweep = done(client, BODY | {"epochs": asked.epochs, "search": search})
        path = f"/jobs/{sweep['id']}/report"
        text = client.send("GET", path, headers={"Accept": "text/markdown"}).text
        drawn = {
            name: client.send(
                "GET", path, headers={"Accept": "image/png"}, params={"picture": name}
            ).content
            for name in PICTURES
        }
    asked.output.mkdir(parents=True, exist_ok=True)
    took = seconds(sweep["created_at"], sweep["ended_at"]) / 60
    shown = "".join(f"\n![{name}]({name}.png)\n" for name in PICTURES)
    measured = f"Measured on {header()}; {took:.0f} minutes, {asked.at_once} trials at once.\n"
    (asked.output / "report.md").write_text(f"{text}{shown}\n{measured}")
    for name, picture in drawn.items():
        (asked.output / f"{name}.png").write_bytes(picture)
    print(f"{measured}The report is in {asked.output}.")


if __name__ == "__main__":
    main()
