"""Prometheus' text, as tests read it."""

from prometheus_client.parser import text_string_to_metric_families

from tests.api.conftest import Service


def scrape(service: Service) -> dict[str, dict[frozenset[tuple[str, str]], float]]:
    """Sample name → its labels → its value."""
    text = service.client.get("/metrics").raise_for_status().text
    found: dict[str, dict[frozenset[tuple[str, str]], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[frozenset(sample.labels.items())] = sample.value
    return found


def value(service: Service, name: str, **labels: str) -> float | None:
    """Of one sample; None while there is none."""
    return scrape(service).get(name, {}).get(frozenset(labels.items()))
