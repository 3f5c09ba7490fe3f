"""A sweep among real rows and objects, on a cluster that a test moves; the test is its search."""

from dataclasses import dataclass, field, replace
from itertools import count

from service.jobs.service import Jobs
from service.lifecycle import Job, State
from service.models.store import ModelStore
from service.sweeps.follow import Follower
from service.sweeps.store import Trial, TrialStore
from tests.reconcile.world import World
from tests.sweeps.asking import asked
from trainer.contract import layout, trials
from trainer.contract.attempts import Outcome, commit_outcome, read
from trainer.contract.space import Point
from trainer.contract.trials import Proposal, Standing, Verdict


@dataclass
class SweepWorld:
    """One sweep; `world` has everything else."""

    world: World
    trials: TrialStore = field(init=False)
    jobs: Jobs = field(init=False)
    sweep: Job = field(init=False)
    _proposed: int = 0

    def __post_init__(self) -> None:
        world, numbers = self.world, count(1)
        self.trials = TrialStore(world.engine)
        self.jobs = replace(
            world.jobs,
            new_id=lambda: f"job-{next(numbers):05d}",
            registry=ModelStore(world.engine),
        )
        world.jobs = self.jobs
        world.also = [Follower(self.jobs, self.trials, world.clock).tick]
        world.restart()
        world.tick()

    def begin(self, **fields: object) -> Job:
        """A sweep whose search runs."""
        self.sweep, _ = self.jobs.create("default", asked(**fields))
        self.sweep = self.world.run(self.sweep)
        return self.sweep

    def propose(self, *points: Point) -> None:
        for point in points:
            self._proposed += 1
            mine = Proposal(number=self._proposed, point=point, at=self.world.clock())
            trials.propose(self.world.objects, self.sweep.id, mine)
        self.world.tick(2)

    def judge(self, number: int) -> None:
        said = Verdict(number=number, message="It was not worth it.", at=self.world.clock())
        trials.judge(self.world.objects, self.sweep.id, said)
        self.world.tick()

    def search_ends(self) -> None:
        """Its search has nothing left to try."""
        now = self.world.see(self.sweep)
        outcome = Outcome(
            job_id=now.id, attempt=now.attempt, status="succeeded", at=self.world.clock()
        )
        commit_outcome(self.world.objects, outcome)
        self.world.tick(2)

    def made(self) -> list[Trial]:
        return self.trials.of(self.sweep.id)

    def job(self, number: int) -> Job:
        """That trains a trial."""
        found = self.made()[number - 1].job
        assert found is not None
        return found

    def states(self) -> list[State]:
        return [self.job(trial.number).state for trial in self.made()]

    def standing(self, number: int) -> Standing:
        found = read(self.world.objects, layout.standing(self.sweep.id, number), Standing)
        assert found is not None
        return found

    def see(self) -> Job:
        return self.world.see(self.sweep)
