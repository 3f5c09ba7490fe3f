"""What a training waited for reaches whoever reads its signs of life."""

from pathlib import Path

from tests.training.small_runs import JOB, now, order, setting, small_spec
from trainer.contract import attempts, layout
from trainer.contract.attempts import Heartbeat
from trainer.contract.objects.local import LocalStore
from trainer.training.attempt import run
from trainer.training.pulse import Pulse
from trainer.training.vigil import Vigil


class Ticks:
    """A timer that goes on by one second each time it is read."""

    seconds = 0.0

    def __call__(self) -> float:
        self.seconds += 1
        return self.seconds


def test_waits_are_added_up_each_for_its_cause() -> None:
    pulse = Pulse(timer=Ticks())
    for _ in range(3):
        with pulse.making_data():
            pass
    with pulse.stalled():
        pass
    assert (pulse.data_s, pulse.stall_s) == (3.0, 1.0)


def test_a_training_tells_what_it_waited_for_and_when_a_checkpoint_was_stored(
    tmp_path: Path,
) -> None:
    store, spec = LocalStore(tmp_path), small_spec(iterations=10)
    watch = Vigil(store, JOB, 1, "0", now, pulse=Pulse(timer=Ticks()))
    run(order(spec=spec), spec, setting(store, order(spec=spec), vigil=watch))
    watch.beat()
    sign = attempts.read(store, layout.heartbeat(JOB, 1, "0"), Heartbeat)
    assert sign is not None
    assert sign.data_s == 1 + 10  # the rehearsal of the first step, and each step
    assert sign.stall_s == 2  # after 7 steps, and at the end
    assert sign.stored_at is not None


def test_a_sign_of_an_earlier_version_says_nothing_of_it() -> None:
    sign = Heartbeat.model_validate({"number": 1, "step": 2, "at": now()})
    assert (sign.data_s, sign.stall_s, sign.stored_at) == (0, 0, None)
