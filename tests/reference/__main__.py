"""``python -m tests.reference``: write the generated pages and say which changed."""

from __future__ import annotations

from tests.reference.pages import FOLDER, write


def main() -> None:
    """Write the pages."""
    changed = write()
    print(f"{FOLDER}: {', '.join(changed) if changed else 'nothing changed'}")


if __name__ == "__main__":
    main()
