"""The command `residual`: the service on this machine, and a client for it."""

import sys

import typer
from pydantic import ValidationError

from service.cli import (
    backup,
    batch,
    control,
    demo,
    deployments,
    doctor,
    evaluate,
    export,
    import_weights,
    jobs,
    key,
    keys,
    predict,
    store,
    sweep,
    tensorboard,
    train,
    up,
    verify_resume,
    watch,
    webhooks,
)
from service.cli.failure import CommandFailed
from service.local.failure import CannotStart

commands = typer.Typer(
    help="Distributed training as a service, on Ray. Start with `residual up` or `residual demo`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
commands.command("up")(up.up)
commands.command("demo")(demo.demo)
commands.command("key")(key.key)
commands.command("train")(train.train)
commands.command("evaluate")(evaluate.evaluate)
commands.command("batch")(batch.batch)
commands.command("sweep")(sweep.sweep)
commands.command("trials")(sweep.trials)
commands.command("report")(sweep.report)
commands.command("jobs")(jobs.jobs)
commands.command("watch")(watch.watch)
commands.command("logs")(jobs.logs)
commands.command("tensorboard")(tensorboard.tensorboard)
commands.command("pause")(control.pause)
commands.command("resume")(control.resume)
commands.command("cancel")(control.cancel)
commands.command("change")(control.change)
commands.command("delete")(control.delete)
commands.command("deploy")(deployments.deploy)
commands.command("deployment")(deployments.deployment)
commands.command("rollback")(deployments.rollback)
commands.command("undeploy")(deployments.undeploy)
commands.command("predict")(predict.predict)
commands.command("import")(import_weights.import_weights)
commands.command("export")(export.export)
commands.command("doctor")(doctor.doctor)
commands.command("backup")(backup.backup)
commands.command("restore")(backup.restore)
commands.command("verify-resume")(verify_resume.verify_resume)
commands.add_typer(webhooks.commands, name="webhooks")
commands.add_typer(keys.commands, name="keys")
commands.add_typer(store.commands, name="store")


def app() -> None:
    """The entry point: runs one command; what went wrong is a sentence on standard error."""
    try:
        commands()
    except (CommandFailed, CannotStart) as error:
        sys.exit(f"residual: {error}")
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        sys.exit(f"residual: {name}: {first['msg']} (given: {first['input']!r})")


if __name__ == "__main__":
    app()
