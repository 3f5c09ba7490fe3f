"""Bodies of requests, right and wrong, that the machine draws."""

from hypothesis import strategies as st

from tests.property.model import TOO_MANY

FRAME = {"arch": "resnet8", "dataset": "digits", "batch_size": 512, "gpus_per_worker": 0}

BODIES = st.fixed_dictionaries(
    {"epochs": st.integers(1, 2), "workers": st.sampled_from([1, 1, 2, 4, TOO_MANY])},
    optional={
        "priority": st.integers(-2, 2),
        "name": st.sampled_from(["first", "second"]),
        "labels": st.sampled_from([{}, {"team": "vision"}, {"team": "speech", "of": "a=b"}]),
        "max_retries": st.integers(0, 1),
        "max_pending": st.sampled_from([100, 10_000]),
        "max_runtime": st.sampled_from([50, 10_000]),
    },
)
ELASTIC = st.fixed_dictionaries({"epochs": st.just(2), "workers": st.just({"min": 1, "max": 4})})
WRONG = st.sampled_from(
    [{"epoch": 3}, {"epochs": 0}, {"workers": 0}, {"arch": "resnet21"}, {"labels": {"A b": "c"}}]
)
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "priority": st.integers(-3, 3),
        "name": st.sampled_from([None, "changed"]),
        "labels": st.sampled_from([{}, {"team": "vision"}, {"new": "x"}]),
    },
)
