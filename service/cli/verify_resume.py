"""`residual verify-resume`: shows on this machine, without a service, that a killed run loses nothing."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from service.cli.failure import CommandFailed

ITERATIONS = 40
CHECKPOINTS = 6
"""Of a run whose length between checkpoints is not given: about so many."""


def verify_resume(  # noqa: PLR0913, PLR0917 - one parameter for each option
    arch: Annotated[str | None, typer.Option(help="A network. [default: resnet20]")] = None,
    dataset: Annotated[str | None, typer.Option(help="A data set. [default: digits]")] = None,
    shortcut: Annotated[str | None, typer.Option(help="A, B or C.")] = None,
    recipe: Annotated[
        str | None, typer.Option(help="default, paper-cifar or paper-imagenet.")
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Processes. [default: 2]")] = None,
    iterations: Annotated[
        int | None, typer.Option(help=f"Optimizer steps. [default: {ITERATIONS}]")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images a step. [default: 64]")] = None,
    input_size: Annotated[int | None, typer.Option(help="Pixels to resize images to.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of initial weights and data order.")] = None,
    checkpoint_every: Annotated[
        int | None, typer.Option(help="Steps between checkpoints. [default: a sixth of all]")
    ] = None,
    spec: Annotated[
        Path | None,
        typer.Option(help="A training as POST /jobs takes it, as JSON; - reads it here."),
    ] = None,
    kills: Annotated[int, typer.Option(min=0, max=1000, help="SIGKILLs at random steps.")] = 4,
    kill_seed: Annotated[int, typer.Option(min=0, help="Of the kills.")] = 0,
    *,
    as_json: Annotated[
        bool, typer.Option("--json", help="For scripts: all that was seen.")
    ] = False,
) -> None:
    """Train twice, undisturbed and killed again and again, and compare every bit.

    Exit status 0: the weights, the optimizer, the state and each step's metrics are the same, and no step
    is missing or there twice. 1: they are not.
    """
    given: dict[str, Any] = {
        "arch": arch,
        "dataset": dataset,
        "shortcut": shortcut,
        "recipe": recipe,
        "workers": workers,
        "iterations": iterations,
        "batch_size": batch_size,
        "input_size": input_size,
        "seed": seed,
    }
    body = training(spec, {name: value for name, value in given.items() if value is not None})
    if checkpoint_every is not None:
        body["checkpoint_every"] = {"steps": checkpoint_every}
    verdict = run(body, kills=kills, seed=kill_seed, quiet=as_json)
    typer.echo(json.dumps(verdict) if as_json else said(verdict))
    if verdict["wrong"]:
        raise typer.Exit(1)


def training(file: Path | None, given: dict[str, Any]) -> dict[str, Any]:
    """The body of `POST /jobs` that is meant. Raises CommandFailed."""
    if file is None:
        short = {"arch": "resnet20", "dataset": "digits", "workers": 2, "batch_size": 64}
        body = {**short, "iterations": ITERATIONS, **given}
        every = max(1, int(body["iterations"]) // CHECKPOINTS)
        return body | {"checkpoint_every": {"steps": every}}
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text()
        body = json.loads(text)
    except (OSError, ValueError) as error:
        raise CommandFailed(f"cannot read a training from {file}: {error}") from error
    if not isinstance(body, dict):
        raise CommandFailed(f"{file} holds no JSON object")
    return body | given


def run(body: dict[str, Any], *, kills: int, seed: int, quiet: bool) -> dict[str, Any]:
    """The verdict, as trainer.verify prints it; how far it is goes to standard error. Raises
    CommandFailed."""
    options = [f"--kills={kills}", f"--seed={seed}", *(["--quiet"] if quiet else [])]
    command = [sys.executable, "-P", "-m", "trainer.verify", *options]
    done = subprocess.run(  # noqa: S603 - our own words, no shell
        command, input=json.dumps(body), stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode != 0:
        raise CommandFailed("no verdict; why is in the line above")
    verdict: dict[str, Any] = json.loads(done.stdout)
    return verdict


def said(verdict: dict[str, Any]) -> str:
    """The verdict as a table."""
    lines = [verdict["what"], ""]
    lines += [
        f"  attempt {kill['attempt']:<3} from step {_step(kill['resumed_step']):>5}   "
        f"killed after step {kill['step']:>5}   {_who(kill['workers'])}"
        for kill in verdict["kills"]
    ]
    lines += ["", f"  {'':<20} {'undisturbed':<13} {'killed, resumed':<15}"]
    lines += [
        f"  {each['name']:<20} {each['undisturbed'][:12]:<13} {each['disturbed'][:12]:<15} "
        f"{'same' if each['undisturbed'] == each['disturbed'] else 'DIFFERENT'}"
        for each in verdict["compared"]
    ]
    lines += [
        "",
        f"  {verdict['steps']} steps; the killed run did {verdict['steps_done']} in all, "
        f"in {verdict['seconds']:.0f} s in place of {verdict['undisturbed_seconds']:.0f} s",
        "",
    ]
    return "\n".join([*lines, _judged(verdict)])


def _judged(verdict: dict[str, Any]) -> str:
    if verdict["wrong"]:
        return "NOT THE SAME: " + "; ".join(verdict["wrong"])
    return f"exact: bit-identical after {len(verdict['kills'])} kills, each step there once"


def _step(step: int | None) -> str:
    return "-" if step is None else str(step)


def _who(workers: str) -> str:
    return "all workers" if workers == "all" else f"worker {workers}"
