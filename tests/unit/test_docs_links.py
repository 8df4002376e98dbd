"""The papers: every relative link leads to a file and a heading that exist, and README stays short."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
README_LINES = 200

_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"#{1,6} +(.+?) *#*")


def prose(text: str) -> Iterator[tuple[int, str]]:
    """Line numbers and lines outside of code blocks, fenced or indented."""
    fenced = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced and not line.startswith("    "):
            yield number, line


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them: a repeated one gets -1, -2, and so on."""
    found: set[str] = set()
    for _, line in prose(text):
        match = _HEADING.fullmatch(line)
        if match is None:
            continue
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", match[1])
        base = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        name, count = base, 0
        while name in found:
            count += 1
            name = f"{base}-{count}"
        found.add(name)
    return found


def broken(page: Path) -> list[str]:
    """What is wrong with the relative links of a page, one line each."""
    wrong = []
    for number, line in prose(page.read_text(encoding="utf-8")):
        for target in _LINK.findall(line):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            file = (page.parent / name).resolve() if name else page
            where = f"{page.name}:{number}: {target}"
            if not file.is_file():
                wrong.append(f"{where}: there is no such file")
            elif anchor and anchor not in anchors(file.read_text(encoding="utf-8")):
                wrong.append(f"{where}: {file.name} has no such heading")
    return wrong


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    assert not broken(page), "\n".join(broken(page))


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= README_LINES


def test_readme_leads_to_every_page_of_docs() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    linked = {target.partition("#")[0] for target in _LINK.findall(readme)}
    pages = {str(page.relative_to(ROOT)) for page in PAGES} - {"README.md"}
    assert pages <= linked, f"README has no link to {', '.join(sorted(pages - linked))}"


def test_what_a_link_may_not_do_is_found(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# One\n\n## Two words, `code`\n\n## One\n")
    page = tmp_path / "page.md"
    page.write_text(
        "[good](other.md) [good](other.md#two-words-code) [good](other.md#one-1) [web](https://example.net/#x)\n"
        "[bad](gone.md)\n[bad](other.md#three) [bad](#here)\n\n```\n[code](gone.md)\n```\n"
    )
    assert broken(page) == [
        "page.md:2: gone.md: there is no such file",
        "page.md:3: other.md#three: other.md has no such heading",
        "page.md:3: #here: page.md has no such heading",
    ]
