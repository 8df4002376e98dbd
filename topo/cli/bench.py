"""``evenkeel bench``: find a benchmark by name, run it, and print its figures.

A benchmark is a module ``tests/bench/NAME.py`` of the source tree with ``run() -> dict[str, object]``; the
first line of its docstring says what it measures. Figures are numbers, strings, None (with the reason in a
figure beside it), dicts of figures, and lists of dicts (rows of a table); keys name the unit. Benchmarks
are found without importing them, and nothing but the one that runs is imported.
"""

from __future__ import annotations

import ast
import difflib
import importlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from rich.console import Console
from rich.table import Table

from topo import codes
from topo.process import ending
from topo.state import sweep

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "tests" / "bench"
ALL = "all"

Figures = dict[str, object]


def benches(folder: Path = FOLDER) -> dict[str, str]:
    """Return what can be run: name -> what it measures, sorted by name.

    A module counts when it defines ``run``, so helpers of benchmarks may stand in the same folder.
    """
    found = {}
    for path in sorted(folder.glob("*.py")):
        module = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
        if any(isinstance(node, ast.FunctionDef) and node.name == "run" for node in module.body):
            found[path.stem] = (ast.get_docstring(module) or "").partition("\n")[0]
    return found


def bench(name: str | None, json_out: bool) -> int:
    """Run the benchmark ``name`` ("all": each in turn; None: list them) and print its figures.

    With ``json_out`` standard output is exactly one JSON object: the figures, or for "all" name -> figures.
    What cannot be measured here is said on standard error. What killed runs left is removed first; told to end
    (SIGTERM) it raises ``SystemExit`` with 143 once its own labs are gone. Returns the exit code: 0, 1 when a
    benchmark could not run, 2 when there is none of that name.
    """
    known = benches()
    if not known:
        return _complain(
            f"benchmarks are part of the source tree, and there is no {FOLDER}: run it from a checkout",
            codes.Bench.UNKNOWN,
        )
    if name is None:
        _print_list(known, json_out)
        return codes.Bench.MEASURED
    if name != ALL and name not in known:
        near = difflib.get_close_matches(name, [*known, ALL], n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)} and {ALL}"
        return _complain(f"no benchmark is called {name!r}; {hint}", codes.Bench.UNKNOWN)
    wanted = list(known) if name == ALL else [name]
    if os.geteuid() == 0:
        sweep()
    measured: dict[str, Figures] = {}
    for each in wanted:
        try:
            with ending():
                measured[each] = _measure(each)
        except (OSError, RuntimeError, subprocess.SubprocessError) as error:
            _complain(f"benchmark {each} could not run: {error}", codes.Bench.CANNOT_RUN)
            continue
        if not json_out:
            _print_figures(each, known[each], measured[each])
    if json_out and measured:
        print(json.dumps(measured if name == ALL else measured[name], allow_nan=False))
    return codes.Bench.MEASURED if len(measured) == len(wanted) else codes.Bench.CANNOT_RUN


def _measure(name: str) -> Figures:
    """Import and run one benchmark, and say on what machine it ran."""
    # First in the path: some distributions leave a package called "tests" among the installed ones.
    sys.path.insert(0, str(ROOT))
    figures = cast(Figures, importlib.import_module(f"tests.bench.{name}").run())
    return {"bench": name, **figures, "machine": _machine()}


def _machine() -> Figures:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "cpu": models[0] if models else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def _complain(message: str, code: int) -> int:
    print(f"evenkeel bench: {message}", file=sys.stderr)
    return code


def _print_list(known: Mapping[str, str], json_out: bool) -> None:
    if json_out:
        print(json.dumps(known))
        return
    table = Table("benchmark", "what it measures", box=None)
    for name, summary in known.items():
        table.add_row(name, summary)
    Console().print(table)


def _print_figures(name: str, summary: str, figures: Figures) -> None:
    """One table for each list of rows, then one of the single figures."""
    console = Console()
    console.print(f"[bold]{name}[/bold]: {summary}", highlight=False)
    single = Table("figure", "value", box=None, pad_edge=False)
    for key, value in _flatten(figures).items():
        if _is_rows(value):
            console.print(_rows_table(key, cast(list[Figures], value)), "")
        elif key != "bench":
            single.add_row(key, _text(value))
    console.print(single)


def _rows_table(title: str, rows: list[Figures]) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for column in dict.fromkeys(column for row in rows for column in row):
        is_text = any(isinstance(row.get(column), str) for row in rows)
        table.add_column(column, justify="left" if is_text else "right", overflow="fold")
    for row in rows:
        table.add_row(*(_text(row.get(str(column.header), "")) for column in table.columns))
    return table


def _flatten(figures: Figures, prefix: str = "") -> Figures:
    flat: Figures = {}
    for key, value in figures.items():
        if isinstance(value, dict):
            flat.update(_flatten(cast(Figures, value), f"{prefix}{key}."))
        else:
            flat[prefix + key] = value
    return flat


def _is_rows(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


def _text(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
