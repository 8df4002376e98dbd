"""What the images and compose.yaml are made of is there, and fits the fabric."""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from topo.containers import fabric

ROOT = Path(__file__).resolve().parents[2]


def _copied() -> list[str]:
    """Sources of COPY that come from the build context."""
    lines = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text()).splitlines()
    copies = [line.split()[1:] for line in lines if line.startswith("COPY ")]
    return [source for words in copies if not words[0].startswith("--from") for source in words[:-1]]


def _in_context(path: str) -> bool:
    """Whether .dockerignore leaves a path in: the last rule that matches it, or a folder of it, decides."""
    kept = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        rule = line.strip()
        if not rule or rule.startswith("#"):
            continue
        pattern = rule.removeprefix("!")
        parts = [path, *(str(parent) for parent in Path(path).parents if str(parent) != ".")]
        if any(fnmatch.fnmatchcase(part, pattern.removeprefix("**/")) for part in parts):
            kept = rule.startswith("!")
    return kept


@pytest.mark.parametrize("source", _copied())
def test_what_the_dockerfile_copies_exists_and_is_in_the_build_context(source: str) -> None:
    assert (ROOT / source).exists(), source
    assert _in_context(source), f".dockerignore leaves out {source}"


@pytest.mark.parametrize("path", [".git", "README.md", "out", ".venv", "tests/unit", "requirements-dev.txt"])
def test_nothing_else_is_sent_to_the_engine(path: str) -> None:
    assert not _in_context(path)


@pytest.mark.parametrize("package", ["controller", "flows", "p4src", "topo"])
def test_every_package_of_the_distribution_is_copied(package: str) -> None:
    assert package in _copied()


def _services() -> dict[str, Any]:
    document = YAML(typ="safe").load((ROOT / "compose.yaml").read_text())
    assert isinstance(document["services"], dict)
    return document["services"]


def test_compose_has_one_container_a_node_and_one_that_wires_them() -> None:
    services = _services()
    assert set(services) == {*fabric.chosen({}).nodes, "wiring"}
    assert {name: service.get("command") for name, service in services.items() if name != "wiring"} == {
        name: [name] for name in fabric.chosen({}).nodes
    }
    assert {service["network_mode"] for service in services.values()} == {"none"}


def test_no_container_is_privileged_and_the_controller_has_no_capability() -> None:
    services = _services()
    assert not [name for name, service in services.items() if "privileged" in service]
    assert {tuple(service["cap_drop"]) for service in services.values()} == {("ALL",)}
    assert "cap_add" not in services["ctl"]
    assert services["ctl"]["read_only"] is True


def test_the_runtime_image_has_a_user_of_its_own_and_a_health_check() -> None:
    stage = re.split(r"^FROM .*", (ROOT / "Dockerfile").read_text(), flags=re.M)[2]
    assert re.search(r"^USER 10000:10000$", stage, re.M)
    assert re.search(r'^HEALTHCHECK .*CMD \["evenkeel", "status"', stage, re.M)


def _gather(tmp_path: Path, path: str) -> Path:
    """Run .ci/gather-bmv2 with programs found along ``path`` first; the folder that it fills."""
    environment = {**os.environ, "PATH": path}
    subprocess.run([ROOT / ".ci/gather-bmv2", tmp_path / "out"], env=environment, check=True, timeout=60)
    return tmp_path / "out"


def test_bmv2_comes_with_its_libraries_but_without_the_c_library(tmp_path: Path) -> None:
    there = tmp_path / "bin"
    there.mkdir()
    shutil.copy("/bin/ls", there / "simple_switch_grpc")  # any program with libraries of its own
    out = _gather(tmp_path, f"{there}:/usr/bin:/bin")
    names = {path.name for path in (out / "opt/bmv2/lib").iterdir()}
    assert any(name.startswith("libselinux") or name.startswith("libcap") for name in names)
    assert not any(name.startswith(("libc.so", "ld-linux")) for name in names)
    assert os.access(out / "usr/local/bin/simple_switch_grpc", os.X_OK)


def test_an_image_without_bmv2_gives_none(tmp_path: Path) -> None:
    there = tmp_path / "bin"
    there.mkdir()
    (there / "mkdir").symlink_to("/bin/mkdir")
    out = _gather(tmp_path, str(there))
    assert [path for path in out.rglob("*") if path.is_file()] == []
