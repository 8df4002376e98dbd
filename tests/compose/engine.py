"""The container engine and its compose, as far as the trial needs them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROJECT = "evenkeel-trial"
COMPOSES = (["docker", "compose"], ["docker-compose"])
IMAGES = ("evenkeel:runtime", "evenkeel:lab")


class EngineError(Exception):
    """A command of the engine failed; the text says which, and how."""


def missing() -> str | None:
    """Why no container can be started here; None if one can."""
    if shutil.which("docker") is None:
        return "docker is not installed"
    if subprocess.run(["docker", "info"], capture_output=True, timeout=30, check=False).returncode != 0:
        return "no container engine answers docker info"
    if _compose() is None:
        return "neither docker compose nor docker-compose is installed"
    return None


def unbuilt() -> list[str]:
    """Images of compose.yaml that the engine does not have."""
    inspect = ["docker", "image", "inspect"]
    return [
        image
        for image in IMAGES
        if subprocess.run([*inspect, image], capture_output=True, timeout=30, check=False).returncode != 0
    ]


def _compose() -> list[str] | None:
    for words in COMPOSES:
        if shutil.which(words[0]) is not None:
            done = subprocess.run([*words, "version"], capture_output=True, timeout=30, check=False)
            if done.returncode == 0:
                return words
    return None


def compose(*words: str, seconds: float = 180.0) -> str:
    """Run compose on this project; what it printed. Raises ``EngineError``."""
    found = _compose()
    assert found is not None
    return run([*found, "--project-name", PROJECT, *words], seconds)


def run(command: Sequence[str], seconds: float = 60.0, given: str | None = None) -> str:
    """Run a program to its end; what it printed. Raises ``EngineError``."""
    try:
        done = subprocess.run(
            command, cwd=ROOT, input=given, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        raise EngineError(f"{' '.join(command)}: no end after {seconds:g} s") from None
    if done.returncode != 0:
        raise EngineError(f"{' '.join(command)}: exit code {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def container(service: str) -> str:
    """Id of a service's container, running or not."""
    every = ["--all"] if _compose() == COMPOSES[0] else []  # docker-compose shows ended ones by itself
    return compose("ps", *every, "--quiet", service).strip()


def read(service: str, path: str) -> str:
    """A file in a container."""
    return run(["docker", "exec", container(service), "cat", path])


def write(service: str, path: str, text: str) -> None:
    """Write a file in a container."""
    run(["docker", "exec", "--interactive", container(service), "tee", path], given=text)
