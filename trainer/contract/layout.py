"""Where everything lies in the object store. No other file spells a key.

jobs/<job>/<attempt>/order.json                 what the attempt is to do (written by the service)
                     started.json               what it found and chose when it began
                     halt.json                  that it is to keep a checkpoint and end (by the service)
                     heartbeats/<who>.json      the newest sign of life of the driver, of worker 0
                     metrics/<n>.jsonl          points, in chunks (`journal`)
                     tensorboard/<split>/       the same points as event files, in chunks (`events`)
                     logs/<rank>/<n>.jsonl      lines, in chunks
                     checkpoints/<step>/        model, optimizer, state, manifest
                     progress.json              how far it is, of a prediction
                     analysis.json, .png        responses and gradients by layer, of an evaluation
                     outcome.json               how it ended: created once, by whoever is first
jobs/<sweep>/trials/<n>/proposal.json           a point that the search wants tried: created once
                        standing.json           how far that training is (written by the service)
                        verdict.json            that it is to end early: created once, by the search
jobs/<prediction>/predictions/listing.jsonl     what is to be classified: created once, by whichever attempt
                              part-<n>.parquet  its n-th rows: created once
                              done/<n>.json     hash and counts of that file: created once, after it
                              manifest.json     names all files: written last, once
models/<project>/<name>/<version>/claim         whoever created it may write this version
                                  …             weights, transform, golden batch, manifest
imports/<sha256>/                               an imported file as a checkpoint; of it and how it was read
datasets/<name>/                                arrays, manifest
inputs/<project>/<source>/                      images to be classified, put there by whoever may
probes/<name>                                   what the store itself is tried with, removed at once
"""


def job(job_id: str) -> str:
    return f"jobs/{job_id}"


def attempt(job_id: str, number: int) -> str:
    return f"{job(job_id)}/{number}"


def order(job_id: str, number: int) -> str:
    return f"{attempt(job_id, number)}/order.json"


def started(job_id: str, number: int) -> str:
    return f"{attempt(job_id, number)}/started.json"


def halt(job_id: str, number: int) -> str:
    return f"{attempt(job_id, number)}/halt.json"


def heartbeats(job_id: str, number: int) -> str:
    return f"{attempt(job_id, number)}/heartbeats"


def heartbeat(job_id: str, number: int, who: str) -> str:
    """`who` is 'driver', or '0' for the first worker; of a prediction also the name of any worker."""
    return f"{heartbeats(job_id, number)}/{who}.json"


def outcome(job_id: str, number: int) -> str:
    return f"{attempt(job_id, number)}/outcome.json"


def metrics(job_id: str, number: int) -> str:
    return f"{attempt(job_id, number)}/metrics"


def all_event_files(job_id: str, number: int) -> str:
    return f"{attempt(job_id, number)}/tensorboard"


def event_files(job_id: str, number: int, split: str) -> str:
    return f"{all_event_files(job_id, number)}/{split}"


def logs(job_id: str, number: int, rank: str) -> str:
    """`rank` is a worker's number, or 'driver'."""
    return f"{attempt(job_id, number)}/logs/{rank}"


def all_logs(job_id: str, number: int) -> str:
    return f"{attempt(job_id, number)}/logs"


def checkpoints(job_id: str, number: int) -> str:
    return f"{attempt(job_id, number)}/checkpoints"


def checkpoint(job_id: str, number: int, step: int) -> str:
    return f"{checkpoints(job_id, number)}/{step:010d}"


def model_version(project: str, name: str, version: int) -> str:
    return f"models/{project}/{name}/{version:06d}"


def all_models() -> str:
    return "models/"


def model_claim(project: str, name: str, version: int) -> str:
    return f"{model_version(project, name, version)}/claim"


def analysis(job_id: str, number: int) -> str:
    return f"{attempt(job_id, number)}/analysis.json"


def analysis_picture(job_id: str, number: int) -> str:
    return f"{attempt(job_id, number)}/analysis.png"


def progress(job_id: str, number: int) -> str:
    return f"{attempt(job_id, number)}/progress.json"


def predictions(job_id: str) -> str:
    return f"{job(job_id)}/predictions"


def listing(job_id: str) -> str:
    return f"{predictions(job_id)}/listing.jsonl"


def part_name(part: int) -> str:
    """Of a Parquet file, below `predictions`."""
    return f"part-{part:06d}.parquet"


def part_number(name: str) -> int | None:
    """The inverse of `part_name`; None for any other name."""
    number = name.removeprefix("part-").removesuffix(".parquet")
    return int(number) if number.isdecimal() and part_name(int(number)) == name else None


def part(job_id: str, number: int) -> str:
    return f"{predictions(job_id)}/{part_name(number)}"


def all_done(job_id: str) -> str:
    return f"{predictions(job_id)}/done"


def done(job_id: str, part: int) -> str:
    return f"{all_done(job_id)}/{part:06d}.json"


def all_inputs() -> str:
    return "inputs/"


def inputs(project: str, source: str) -> str:
    return f"inputs/{project}/{source}"


def imported(sha256: str) -> str:
    return f"imports/{sha256}"


def dataset(name: str) -> str:
    return f"datasets/{name}"


def probe(name: str) -> str:
    return f"probes/{name}"


def trial(job_id: str, number: int) -> str:
    """`job_id` is the sweep's."""
    return f"{job(job_id)}/trials/{number:06d}"


def proposal(job_id: str, number: int) -> str:
    return f"{trial(job_id, number)}/proposal.json"


def standing(job_id: str, number: int) -> str:
    return f"{trial(job_id, number)}/standing.json"


def verdict(job_id: str, number: int) -> str:
    return f"{trial(job_id, number)}/verdict.json"
