"""Networks and data sets by name, with the paper's figures."""

from pathlib import Path

import pytest

from service.catalogue.paper import PAPER
from tests.api.attempt import AT
from tests.api.conftest import Service
from trainer.contract import archs, layout, manifest
from trainer.contract.baselines import BASELINES

STEMS = ("paper", "small")


def test_every_network_of_the_contract_is_listed(shared: Service) -> None:
    items = shared.client.get("/archs").json()["items"]
    assert [item["name"] for item in items] == list(archs.catalogue())
    assert all(shared.client.get(item["links"]["self"]).status_code == 200 for item in items)


@pytest.mark.parametrize(
    ("path", "parameters", "billion_multiply_adds"),
    [
        ("resnet18", 11_689_512, 1.8),
        ("resnet34", 21_797_672, 3.6),
        ("resnet50", 25_557_032, 3.8),
        ("resnet101", 44_549_160, 7.6),
        ("resnet152", 60_192_808, 11.3),
        ("vgg16", 138_357_544, 15.3),
        ("vgg19", 143_667_240, 19.6),
    ],
)
def test_sizes_are_the_paper_s(
    shared: Service, path: str, parameters: int, billion_multiply_adds: float
) -> None:
    arch = shared.client.get(f"/archs/{path}").json()
    assert arch["parameters"] == parameters
    assert arch["multiply_adds"] == pytest.approx(billion_multiply_adds * 1e9, rel=0.03)
    assert arch["paper"]["multiply_adds"] == billion_multiply_adds * 1e9
    assert arch["parameters"] == sum(row["parameters"] for row in arch["table"])
    assert arch["multiply_adds"] == sum(row["multiply_adds"] for row in arch["table"])


def test_the_block_table_is_table_1_s(shared: Service) -> None:
    rows = shared.client.get("/archs/resnet50").json()["table"]
    assert [(row["layer"], row["output"], row["blocks"]) for row in rows] == [
        ("conv1", 112, 1),
        ("conv2_x", 56, 3),
        ("conv3_x", 28, 4),
        ("conv4_x", 14, 6),
        ("conv5_x", 7, 3),
        ("fc", 1, 1),
    ]
    assert rows[1]["block"] == "1×1, 64, 3×3, 64, 1×1, 256"


def test_a_shortcut_and_a_number_of_classes_can_be_asked_for(shared: Service) -> None:
    a, c = (shared.client.get(f"/archs/resnet34?shortcut={x}").json() for x in "AC")
    assert a["parameters"] < c["parameters"]
    ten = shared.client.get("/archs/resnet34?shortcut=A&classes=10").json()
    assert a["parameters"] - ten["parameters"] == 990 * 513


def test_a_stem_can_be_asked_for(shared: Service) -> None:
    paper, small = (shared.client.get(f"/archs/resnet18?stem={x}").json() for x in STEMS)
    assert (paper["stem"], small["stem"]) == STEMS
    assert paper["parameters"] - small["parameters"] == (7**2 - 3**2) * 3 * 64
    answer = shared.client.get("/archs/resnet20?stem=small")
    assert answer.status_code == 422
    assert "leave 'stem' out" in answer.text


@pytest.mark.parametrize("name", BASELINES)
def test_a_baseline_shows_its_source_its_table_and_the_paper_s_figures(
    shared: Service, name: str
) -> None:
    arch = shared.client.get(f"/archs/{name}").json()
    assert arch["source"] == BASELINES[name].source
    assert (arch["shortcut"], arch["stride"], arch["stem"]) == (None, None, None)
    assert arch["parameters"] == sum(row["parameters"] for row in arch["table"])
    assert arch["multiply_adds"] == sum(row["multiply_adds"] for row in arch["table"])
    assert arch["paper"]["errors"]
    millions = arch["paper"]["parameters_millions"]
    assert millions is None or arch["parameters"] / 1e6 == pytest.approx(millions, abs=0.05)


@pytest.mark.parametrize(
    ("field", "value"), [("shortcut", "A"), ("stride", "v1.5"), ("stem", "small")]
)
def test_a_baseline_has_no_options(shared: Service, field: str, value: str) -> None:
    answer = shared.client.get(f"/archs/vgg16?{field}={value}")
    assert answer.status_code == 422
    assert f"leave '{field}' out" in answer.text


def test_an_error_that_the_paper_does_not_print_is_left_open(shared: Service) -> None:
    errors = shared.client.get("/archs/googlenet").json()["paper"]["errors"]
    assert [(e["table"], e["top1_error"], e["top5_error"]) for e in errors] == [
        (3, None, 9.15),
        (5, None, 6.66),
    ]


def test_any_depth_of_the_family_has_a_page_and_others_say_the_nearest(shared: Service) -> None:
    assert shared.client.get("/archs/resnet26").json()["layers"] == 26
    answer = shared.client.get("/archs/resnet21")
    assert answer.status_code == 404
    assert "20 is one" in answer.json()["detail"]


def test_the_paper_s_errors_are_shown_for_networks_that_exist(shared: Service) -> None:
    errors = shared.client.get("/archs/resnet110").json()["paper"]["errors"]
    assert [(one["table"], one["top1_error"]) for one in errors] == [(6, 6.43)]
    assert PAPER.keys() <= archs.catalogue().keys()


def test_bundled_data_sets_are_ready_and_downloads_say_what_they_lack(shared: Service) -> None:
    found = {item["name"]: item for item in shared.client.get("/datasets").json()["items"]}
    mini, cifar = found["fashion-mnist-mini"], found["cifar10"]
    assert (mini["ready"], mini["reason"], len(mini["classes"])) == (True, None, 10)
    assert mini["splits"] == {"train": {"images": 5000}, "val": {"images": 1000}}
    assert cifar["ready"] is False
    assert "network" in cifar["reason"]


def test_a_download_is_ready_once_it_is_whole(service: Service, tmp_path: Path) -> None:
    file = tmp_path / "images"
    file.write_bytes(b"images")
    manifest.commit(service.objects, layout.dataset("cifar10"), {"images": file}, {}, at=AT)
    assert service.client.get("/datasets/cifar10").json()["ready"] is True


def test_an_unknown_data_set_is_404_and_names_those_there_are(shared: Service) -> None:
    answer = shared.client.get("/datasets/imagenet-22k")
    assert answer.status_code == 404
    assert "fashion-mnist-mini" in answer.json()["detail"]
