"""Write the figures of all recipes into the docs, from their evaluations in docs/reference.

python benchmarks/recipe_pages.py

The evaluations come from `tumorlens evaluate … --run` and `tumorlens compare … --keep`.
"""

from __future__ import annotations

import re
from pathlib import Path

from tumorlens.evaluate.compare import compare, find, recipe_table, summary_table

ROOT = Path(__file__).parent.parent
EVALUATIONS = ROOT / "docs" / "reference" / "recipes"
BUNDLED = ROOT / "docs" / "reference" / "evaluation.json"
SUMMARY = ROOT / "docs" / "reference" / "recipes.md"
PAGES = ROOT / "docs" / "recipes"

_BLOCK = re.compile(r"(<!-- figures -->\n).*?(<!-- end of figures -->)", re.DOTALL)


def main() -> None:
    """Replace the figures of the summary and of each recipe's page."""
    for path, text in blocks().items():
        page = path.read_text(encoding="utf-8")
        if not _BLOCK.search(page):
            message = f"{path}: has no <!-- figures --> to write between"
            raise SystemExit(message)
        path.write_text(with_block(page, text), encoding="utf-8")
        print(path.relative_to(ROOT))


def blocks() -> dict[Path, str]:
    """Page → the figures that belong into it, as Markdown."""
    compared = compare(find([EVALUATIONS, BUNDLED]))
    of_page: dict[Path, str] = {SUMMARY: f"\n{summary_table(compared)}\n"}
    for one in compared:
        page = PAGES / f"{one.made.recipe}.md"
        title = f"{one.name} on {', '.join(one.made.sources)}"
        of_page[page] = of_page.get(page, "") + f"\n{title}:\n\n{recipe_table(one)}\n"
    return of_page


def with_block(page: str, figures: str) -> str:
    """A page with these figures in place of those that it has."""
    return _BLOCK.sub(lambda found: found[1] + figures + found[2], page)


if __name__ == "__main__":
    main()
