"""Asking a controller for its metrics from its own namespace, and reading them with Prometheus' own parser."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import NamedTuple

from prometheus_client.openmetrics.parser import text_string_to_metric_families

from topo.lab import Lab
from topo.plan import CONTROLLER

PORT = 9469
OPTIONS = ("--metrics", f"127.0.0.1:{PORT}")
ACCEPT = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
"""As Prometheus asks."""


class Sample(NamedTuple):
    """One line."""

    labels: dict[str, str]
    value: float


class Scrape:
    """All samples by name."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.samples: dict[str, list[Sample]] = {}
        for family in text_string_to_metric_families(text):
            for each in family.samples:
                self.samples.setdefault(each.name, []).append(Sample(each.labels, each.value))

    def of(self, name: str, **labels: str) -> Iterator[Sample]:
        """Samples that have these labels."""
        for each in self.samples.get(name, []):
            if labels.items() <= each.labels.items():
                yield each

    def value(self, name: str, **labels: str) -> float:
        """The one value; AssertionError if it is none, or several."""
        found = list(self.of(name, **labels))
        assert len(found) == 1, f"{name} {labels}: {found or sorted(self.samples)}"
        return found[0].value

    def total(self, name: str, **labels: str) -> float:
        """The sum."""
        return sum(each.value for each in self.of(name, **labels))


def ask(lab: Lab, path: str = "/metrics", port: int = PORT) -> tuple[int, str]:
    """Status and text of an answer."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Accept": ACCEPT})
    with lab.namespace(CONTROLLER):
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()


def scrape(lab: Lab, port: int = PORT) -> Scrape:
    """The metrics now."""
    status, text = ask(lab, port=port)
    assert status == 200, text
    return Scrape(text)


def scraped(lab: Lab, holds: Callable[[Scrape], object], what: str, within: float = 30.0) -> Scrape:
    """The first metrics for which ``holds``; AssertionError, naming ``what``, if none come."""
    end = time.monotonic() + within
    while not holds(found := scrape(lab)):
        assert time.monotonic() < end, f"not within {within:g} s: {what}\n{found.text}"
        time.sleep(0.1)
    return found
