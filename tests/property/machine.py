"""A client, a cluster and a killer that do whatever they like, one step at a time; after every step the
service must show what the model says. Run by `test_api`."""

import tempfile
from pathlib import Path
from shutil import rmtree
from typing import Any

import httpx
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.property import checks, model
from tests.property.bodies import BODIES, CHANGES, ELASTIC, FRAME, WRONG
from tests.property.model import ANSWERS, KEYS_LAST, TERMINAL, WORKING, First, Known
from tests.property.world import CPUS, World
from trainer.contract import layout
from trainer.contract.reasons import Code

SETTLED_WITHIN = 250
"""Looks, 5 s apart, after which nothing of any life here is left to do."""
SWEPT_AFTER_S = 700

PICK = st.integers(0, 2**16)
"""Which of the jobs, or of the attempts, there are: modulo their number."""


class Api(RuleBasedStateMachine):
    """One life of one service."""

    def __init__(self, document: dict[str, Any]) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="residual-property-"))
        self.world = World(self.folder, document)
        self.jobs: dict[str, Known] = {}
        """In the order in which they were made."""
        self.deleted: set[str] = set()
        self.keys: dict[str, First] = {}
        self.frozen: set[str] = set()
        """Submissions that give no signs of life any more."""
        self.excused = 0
        """Times that the platform failed in ways that cost no retry."""

    # What a client does.

    @rule(body=BODIES | ELASTIC, key=st.sampled_from([None, None, "a", "b", "c"]))
    def submit(self, body: dict[str, Any], key: str | None) -> None:
        self.world.clock.turn(1)
        asked, now = FRAME | body, self.world.clock()
        answer = self._post("/jobs", asked, key)
        first = self.keys.get(key) if key else None
        if first and now - first.at < KEYS_LAST:
            if first.body == asked:
                assert (answer.status_code, answer.json()) == (201, first.answer)
            else:
                self._refused(answer, 409, "idempotency_mismatch")
            return
        assert answer.status_code == 201, answer.text
        shown = answer.json()
        assert shown["id"] not in self.jobs
        assert (shown["state"], shown["attempt"]) == ("queued", 0)
        assert answer.headers["Location"] == f"/jobs/{shown['id']}"
        self.jobs[shown["id"]] = Known(asked, shown)
        if key:
            self.keys[key] = First(asked, shown, now)

    @precondition(lambda self: self.keys)
    @rule(pick=PICK)
    def submit_again(self, pick: int) -> None:
        key = sorted(self.keys)[pick % len(self.keys)]
        first = self.keys[key]
        if self.world.clock() - first.at < KEYS_LAST:
            other_order = dict(reversed(first.body.items()))
            answer = self._post("/jobs", other_order, key)
            assert (answer.status_code, answer.json()) == (201, first.answer)

    @rule(body=WRONG, key=st.sampled_from([None, "d"]))
    def submit_what_cannot_be_meant(self, body: dict[str, Any], key: str | None) -> None:
        self._refused(self._post("/jobs", FRAME | body, key), 422, "invalid")

    @rule(body=BODIES)
    def ask_for_a_plan(self, body: dict[str, Any]) -> None:
        answer = self.world.client.post("/jobs", params={"dry_run": True}, json=FRAME | body)
        assert answer.status_code == 200, answer.text
        assert answer.json()["spec"]["epochs"] == body["epochs"]

    @precondition(lambda self: self.jobs)
    @rule(pick=PICK, what=st.sampled_from(["cancel", "pause", "resume"]))
    def ask(self, pick: int, what: str) -> None:
        self._ask(self._picked(pick), what, what)

    @precondition(lambda self: self.jobs)
    @rule(pick=PICK, more=st.integers(-1, 2))
    def extend(self, pick: int, more: int) -> None:
        job = self._picked(pick)
        epochs = job.shown["spec"]["epochs"] + more
        if more > 0:
            self._ask(job, "extend", "resume", {"epochs": epochs})
            if job.state == "queued":
                assert job.shown["spec"]["epochs"] in {epochs, epochs - more}
        elif job.state in {"succeeded", "cancelling", *WORKING}:
            answer = self._post(f"/jobs/{job.id}/resume", {"epochs": epochs})
            assert answer.status_code in {409, 422}, answer.text

    @precondition(lambda self: self.jobs)
    @rule(pick=PICK, changes=CHANGES)
    def change(self, pick: int, changes: dict[str, Any]) -> None:
        job = self._picked(pick)
        answer = self.world.client.patch(f"/jobs/{job.id}", json=changes)
        if not changes:
            self._refused(answer, 422, "invalid")
        elif job.has_ended and "priority" in changes:
            assert answer.status_code == 409, answer.text
        else:
            assert answer.status_code == 200, answer.text
            job.shown = job.shown | changes | {"spec": job.shown["spec"] | changes}
            assert answer.json() == job.shown

    @precondition(lambda self: self.jobs)
    @rule(pick=PICK)
    def delete(self, pick: int) -> None:
        job = self._picked(pick)
        answer = self.world.client.delete(f"/jobs/{job.id}")
        if not job.has_ended:
            assert answer.status_code == 409, answer.text
            return
        assert answer.status_code == 204, answer.text
        del self.jobs[job.id]
        self.deleted.add(job.id)

    @precondition(lambda self: self.deleted)
    @rule(pick=PICK, part=st.sampled_from(["", "/events", "/metrics", "/logs", "/checkpoints"]))
    def look_at_what_is_gone(self, pick: int, part: str) -> None:
        gone = sorted(self.deleted)[pick % len(self.deleted)]
        self._refused(self.world.client.get(f"/jobs/{gone}{part}"), 404, "not_found")
        for what in ("cancel", "pause", "resume"):
            self._refused(self.world.client.post(f"/jobs/{gone}/{what}"), 404, "not_found")

    @rule(
        limit=st.integers(1, 4),
        asked=st.fixed_dictionaries(
            {},
            optional={
                "state": st.sampled_from(sorted({*model.BY_REQUEST, *model.BY_ITSELF})),
                "kind": st.sampled_from(["train", "evaluate"]),
                "label": st.sampled_from(["team=vision", "of=a=b", "team=nobody"]),
            },
        ),
    )
    def page_through(self, limit: int, asked: dict[str, str]) -> None:
        met: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            answer = self.world.client.get("/jobs", params=asked | cursor | {"limit": limit})
            assert answer.status_code == 200, answer.text
            met += [job["id"] for job in answer.json()["items"]]
            if not answer.json()["next_cursor"]:
                break
            cursor = {"cursor": answer.json()["next_cursor"]}
        assert met == [job.id for job in self._newest_first() if model.matches(job, asked)]

    @precondition(lambda self: self.jobs)
    @rule(pick=PICK)
    def read_the_history(self, pick: int) -> None:
        checks.history(self.world.client, self._picked(pick))

    # What the cluster and its attempts do.

    @rule(seconds=st.sampled_from([0.5, 0.5, 2, 10, 40, 400, 4000, 90_000]))
    def wait(self, seconds: float) -> None:
        self._wait(seconds)

    @precondition(lambda self: self.world.attempts.alive())
    @rule(pick=PICK, what=st.sampled_from(["begin", "step", "step", "lose", "diverge", "vanish"]))
    def train(self, pick: int, what: str) -> None:
        alive = self.world.attempts.alive()
        one = alive[pick % len(alive)]
        self.frozen.discard(one)
        match what:
            case "begin":
                self.world.attempts.begin(one)
            case "step":
                self.world.attempts.step(one)
            case "vanish":
                self.world.attempts.vanish(one)
            case "lose":
                self.world.attempts.fail(one, Code.WORKER_LOST)
            case _:
                self.world.attempts.fail(one, Code.DIVERGED)
        self._wait(1)

    @precondition(lambda self: self.world.attempts.alive())
    @rule(pick=PICK)
    def freeze(self, pick: int) -> None:
        alive = self.world.attempts.alive()
        self.frozen.add(alive[pick % len(alive)])

    @rule()
    def fall_silent(self) -> None:
        self.world.cluster.silent = True

    @rule()
    def answer_again(self) -> None:
        self.world.cluster.silent = False

    @rule()
    def forget(self) -> None:
        """The cluster is restarted, and its processes are gone with it."""
        self.excused += len(self.world.cluster.submissions)
        self.world.cluster.submissions.clear()

    # What a killer does.

    @rule(dies_at=st.none() | st.integers(1, 8))
    def kill(self, dies_at: int | None) -> None:
        self.excused += len(self.jobs)  # what was being submitted may have to be given up
        self.world.restart(dies_at=dies_at)
        self._look()

    # What is true at all times.

    @invariant()
    def no_attempt_starts_twice(self) -> None:
        starts = self.world.cluster.starts
        assert len(starts) == len(set(starts))

    @invariant()
    def no_more_is_given_away_than_there_is(self) -> None:
        working = [job.shown for job in self.jobs.values() if job.state in WORKING]
        assert sum(shown["workers"] for shown in working) <= CPUS, working

    def teardown(self) -> None:
        try:
            self._settle()
        finally:
            self.world.close()
            rmtree(self.folder, ignore_errors=True)

    def _settle(self) -> None:
        """With everything well again, every job comes to its end or says what it waits for."""
        self.world.cluster.silent = False
        self.world.restart()
        for _ in range(SETTLED_WITHIN):
            for one in self.world.attempts.alive():
                self.world.attempts.step(one)
            self._wait(5)
            if not any(self._moves(job) for job in self.jobs.values()):
                break
        for job in self.jobs.values():
            assert not self._moves(job), f"stuck: {job.shown}"
            checks.history(self.world.client, job)
        for seconds in (1, SWEPT_AFTER_S):
            self._wait(seconds)
        for gone in self.deleted:
            assert list(self.world.attempts.objects.list(f"{layout.job(gone)}/")) == []

    def _moves(self, job: Known) -> bool:
        """Whether something is still to be expected of it."""
        if job.state == "queued":
            return job.fits or job.body.get("max_pending") == 100
        return job.state not in {"paused", *TERMINAL}

    def _wait(self, seconds: float) -> None:
        self.world.clock.turn(seconds)
        attempts = self.world.attempts
        for one in attempts.alive():
            if one in attempts.runs and one not in self.frozen:
                attempts.beat(one)
        self.world.tick()
        self._look()

    def _picked(self, pick: int) -> Known:
        return list(self.jobs.values())[pick % len(self.jobs)]

    def _newest_first(self) -> list[Known]:
        return list(self.jobs.values())[::-1]

    def _post(self, path: str, body: dict[str, Any], key: str | None = None) -> httpx.Response:
        headers = {"Idempotency-Key": key} if key else {}
        answer: httpx.Response = self.world.client.post(path, json=body, headers=headers)
        return answer

    def _ask(self, job: Known, what: str, path: str, body: dict[str, Any] | None = None) -> None:
        was = job.state
        answer = self.world.client.post(f"/jobs/{job.id}/{path}", json=body)
        allowed = ANSWERS[what].get(was)
        if allowed is None:  # not promised; whatever it was, it was no failure of the service
            assert answer.status_code in {202, 409, 422}, answer.text
        elif not allowed:
            assert answer.status_code == 409, answer.text
        else:
            assert answer.status_code == 202, answer.text
            assert answer.json()["state"] in allowed
        if answer.status_code == 202:
            job.requests.add(path)
            if path == "resume" and was != "queued":
                job.requests = set()
                job.resumes += 1
                assert answer.json()["reason"]["code"] == "resumed_by_user"
            job.shown = answer.json()

    def _look(self) -> None:
        """See every job, and that it moved as the contract lets it."""
        for job in self.jobs.values():
            shown = self.world.client.get(f"/jobs/{job.id}").raise_for_status().json()
            assert shown["state"] in model.reachable(job.state), (job.shown, shown)
            assert shown["attempt"] >= job.shown["attempt"]
            fixed = ("id", "kind", "name", "labels", "priority", "spec", "created_at")
            assert all(shown[one] == job.shown[one] for one in fixed)
            job.shown = shown
            checks.reason(job, self.world.attempts, excused=self.excused)

    def _refused(self, answer: httpx.Response, status: int, code: str) -> None:
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
        assert answer.json()["detail"]
