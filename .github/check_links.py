"""Checks every relative link and anchor of the book and of the Markdown files beside it, and that SUMMARY.md lists all pages.

Standard library only, no network: links to other hosts are not followed.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BOOK = ROOT / "docs" / "src"
LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)")


def prose(path):
    """The text without fenced code, inline code and comments."""
    text = path.read_text(encoding="utf-8")
    text = re.sub(r"^```.*?^```", "", text, flags=re.S | re.M)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.S)
    return re.sub(r"`[^`\n]*`", "`", text)


def anchors(path):
    """The anchors that mdBook and most renderers give to the headings of a page."""
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.S | re.M)
    found = set()
    for heading in re.findall(r"^#{1,6} +(.*)$", text, flags=re.M):
        words = re.sub(r"[^\w\- ]", "", heading.strip().lower())
        found.add(words.replace(" ", "-"))
    return found


def faults():
    pages = sorted(BOOK.rglob("*.md"))
    beside = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "NOTICE")]
    for page in [*pages, *(p for p in beside if p.exists())]:
        for target in LINK.findall(prose(page)):
            if re.match(r"[a-z][a-z0-9+.-]*:", target):
                continue
            name, _, anchor = target.partition("#")
            file = (page.parent / name).resolve() if name else page
            if not file.exists():
                yield f"{page.relative_to(ROOT)}: {target} leads nowhere"
            elif BOOK in page.parents and BOOK not in file.parents:
                yield f"{page.relative_to(ROOT)}: {target} leaves the book"
            elif anchor and anchor not in anchors(file):
                yield f"{page.relative_to(ROOT)}: no heading for {target}"
    summary = BOOK / "SUMMARY.md"
    listed = {(BOOK / target).resolve() for target in LINK.findall(prose(summary))}
    for page in pages:
        if page != summary and page.resolve() not in listed:
            yield f"docs/src/SUMMARY.md does not list {page.relative_to(BOOK)}"


if __name__ == "__main__":
    found = list(faults())
    print("\n".join(found) if found else "all links lead somewhere")
    sys.exit(bool(found))
