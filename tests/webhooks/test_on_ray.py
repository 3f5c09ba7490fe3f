"""A real training, and a receiver that is told of all of its life."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.local.running import end, start
from tests.waiting import until
from tests.webhooks.receiver import Receiver
from tests.webhooks.test_delivery import documented

STOPS_WITHIN_S = 8
"""Less than a receiver has time to answer."""


@pytest.mark.ray
def test_every_event_of_a_job_reaches_the_receiver_in_order_and_one_that_hangs_delays_no_stop(
    receiver: Receiver, tmp_path: Path
) -> None:
    running = start(tmp_path / "data", RESIDUAL_WEBHOOK_HOSTS=urlsplit(receiver.url).netloc)
    try:
        with running.http() as http:
            secret = http.post("/webhooks", json={"url": receiver.url}).json()["secret"]
            job = running.submit(arch="resnet8", dataset="digits", epochs=1, workers=1)
            running.until_ended(job)
            events = http.get(f"/jobs/{job}/events").json()["items"]
            until(lambda: len(receiver.got) >= len(events), within_s=30)
            told = [(got.data["from"], got.data["to"]) for got in receiver.got]
            assert told == [(event["from"], event["to"]) for event in events]
            assert told[-1][1] == "succeeded"
            assert all(documented()(secret, got.headers, got.body) for got in receiver.got)
            receiver.silent = True
            running.submit(arch="resnet8", dataset="digits", epochs=1, workers=1)
            until(lambda: len(receiver.got) > len(events), within_s=30)
        assert running.stop() < STOPS_WITHIN_S
    finally:
        end(running)
