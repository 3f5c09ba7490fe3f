"""`residual doctor`: what users trip over, looked at before they do."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from service.doctor.checks import CHECKS, look, this_case
from service.doctor.finding import Finding, broken
from service.settings import Settings

SIGNS = {"ok": "ok     ", "warning": "WARNING", "broken": "BROKEN "}


def doctor(
    data_dir: Annotated[Path | None, typer.Option(help="Default: RESIDUAL_DATA_DIR's.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="For programs: a list of findings.")
    ] = False,
) -> None:
    """Check this machine, the settings and the parts of the service, running or not, and say how to mend
    what is wrong. Exit status 1 when something is broken; no secret is ever shown."""
    findings: dict[str, Finding] = {}
    try:
        case = this_case(Settings(data_dir=data_dir) if data_dir else Settings())
    except ValidationError as error:
        findings["settings"] = _invalid(error)
    else:
        for name in CHECKS:
            findings[name] = look(name, case)
            if not as_json:
                _tell(name, findings[name])
    if as_json:
        shown = [{"check": name} | asdict(found) for name, found in findings.items()]
        typer.echo(json.dumps(shown, indent=2))
    elif len(findings) == 1:
        _tell(*next(iter(findings.items())))
    if any(found.status == "broken" for found in findings.values()):
        raise typer.Exit(1)


def _tell(name: str, found: Finding) -> None:
    typer.echo(f"{SIGNS[found.status]}  {name:<16} {found.said}")
    if found.remedy:
        typer.echo(f"{'':<26}→ {found.remedy}")


def _invalid(error: ValidationError) -> Finding:
    """Without the value: it may be a secret."""
    first = error.errors(include_input=False, include_url=False)[0]
    name = "_".join(str(part) for part in first["loc"]).upper()
    return broken(f"RESIDUAL_{name}: {first['msg']}", "docs/reference.md says what it takes")
