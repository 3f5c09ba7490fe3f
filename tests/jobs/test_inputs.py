"""Which images a request may name: those of the project's own area of the service's own store."""

from pathlib import Path

import pytest

from service.errors import Invalid
from service.jobs.inputs import Inputs
from trainer.contract.objects.local import LocalStore

BUCKET = "s3://photos/residual?addressing=path"


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """With images of two projects, and what is none's."""
    store = LocalStore(tmp_path)
    for key in (
        "inputs/default/holiday/2026/a.png",
        "inputs/another/secret/b.png",
        "models/default/digits/000001/model.safetensors",
        "jobs/job-1/1/order.json",
    ):
        store.put(key, b"an object")
    return store


@pytest.mark.parametrize(
    "source",
    [
        "holiday/2026",
        "holiday/2026/",
        "s3://photos/residual/inputs/default/holiday/2026",
        "s3://photos/residual/inputs/default/holiday/2026/",
    ],
)
def test_a_folder_of_the_project_is_found_by_its_name_or_its_url(
    store: LocalStore, source: str
) -> None:
    found = Inputs(store, BUCKET).find("default", source)
    assert found == ("holiday/2026", "inputs/default/holiday/2026")


def test_a_bucket_without_a_prefix_has_its_area_too(store: LocalStore) -> None:
    found = Inputs(store, "s3://photos").find("default", "s3://photos/inputs/default/holiday")
    assert found == ("holiday", "inputs/default/holiday")


@pytest.mark.parametrize(
    "source",
    [
        "..",
        "../another/secret",
        "holiday/../../another/secret",
        "holiday/..",
        "./holiday",
        ".hidden",
        "/holiday",
        "//holiday",
        "holiday//2026",
        "holiday\\2026",
        "holiday/%2e%2e/x",
        "holiday\n",
        "ho liday",
        "hölle",
        "a" * 201,
        "s3://photos/residual/inputs/default/../another/secret",
        "s3://photos/residual/inputs/default/",
        "s3://photos/residual/inputs/default//holiday",
    ],
)
def test_a_name_that_could_lead_elsewhere_is_refused(store: LocalStore, source: str) -> None:
    with pytest.raises(Invalid, match="A source is a folder below") as refused:
        Inputs(store, BUCKET).find("default", source)
    assert refused.value.field == "source"


@pytest.mark.parametrize(
    "source",
    [
        "s3://photos/residual/inputs/another/secret",
        "s3://photos/residual/models/default/digits",
        "s3://photos/inputs/default/holiday",
        "s3://photos/residual-2/inputs/default/holiday",
        "s3://others/residual/inputs/default/holiday",
        "s3://key:secret@photos/residual/inputs/default/holiday",
        "S3://photos/residual/inputs/default/holiday",
        "file:///etc",
        "https://example.com/images",
        "C:\\images",
    ],
)
def test_a_url_of_anything_else_is_refused_with_how_to_mend_it(
    store: LocalStore, source: str
) -> None:
    mended = r"below inputs/default/ as 'FOLDER', or 's3://photos/residual/inputs/default/FOLDER'"
    with pytest.raises(Invalid, match=mended):
        Inputs(store, BUCKET).find("default", source)


def test_a_directory_has_no_urls_and_says_nothing_of_where_it_lies(store: LocalStore) -> None:
    inputs = Inputs(store, store.root.as_uri())
    assert inputs.find("default", "holiday") == ("holiday", "inputs/default/holiday")
    for source in (f"{store.root.as_uri()}/inputs/default/holiday", "s3://photos/inputs/default/x"):
        with pytest.raises(Invalid, match="object store only") as refused:
            inputs.find("default", source)
        assert str(store.root) not in str(refused.value)


@pytest.mark.parametrize("source", ["secret", "holi", "holiday/2027"])
def test_a_folder_with_nothing_in_it_is_refused(store: LocalStore, source: str) -> None:
    with pytest.raises(Invalid, match=f"nothing in .*inputs/default/{source}; put the images"):
        Inputs(store, BUCKET).find("default", source)
