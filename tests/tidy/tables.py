"""Tables in docs/ that repeat what the code says, compared with the code. A page holds each table between
<!-- begin NAME --> and <!-- end NAME -->; `tidy.py --write` fills it in."""
import re

ERROR_ROW = re.compile(r'X\((k\w+),\s*"(\w+)",\s*(\d+),\s*k(\w+),\s*"([^"]*)"\)')
COME_BACK = {"Never": "no", "Later": "later, unchanged", "NewToken": "with a new token",
             "Reconnect": "on a new connection"}


def error_rows(tree):
    """The rows of BUS_ERRORS: (name on the wire, HTTP status, retry, title)."""
    text = re.sub(r"\s*\\\n\s*", " ", tree.text("src/base/error.h"))
    return [row[1:] for row in ERROR_ROW.findall(text)]


def errors_table(tree):
    rows = error_rows(tree)
    if not rows:
        raise ValueError("src/base/error.h: no row of BUS_ERRORS was found")
    return "\n".join(["| code | HTTP | come back? | meaning |", "| --- | --- | --- | --- |"] +
                     [f"| `{name}` | {status} | {COME_BACK[retry]} | {title} |" for name, status, retry, title in rows])


# NAME of the table: (page, how it is made, the file that must exist for there to be one)
TABLES = {"errors": ("docs/errors.md", errors_table, "src/base/error.h")}


def _span(page, name):
    begin, end = f"<!-- begin {name} -->\n", f"\n<!-- end {name} -->"
    start, stop = page.find(begin), page.find(end)
    return (start + len(begin), stop) if 0 <= start < stop else None


def docs_repeat_the_code(tree):
    for name, (path, make, source) in TABLES.items():
        if source not in tree.files:
            continue
        if path not in tree.files:
            yield f"{path}:1: is missing; it holds the table '{name}' of {source}"
            continue
        page = tree.text(path)
        span = _span(page, name)
        if span is None:
            yield f"{path}:1: has no place for the table '{name}' (<!-- begin {name} --> and <!-- end {name} -->)"
        elif page[span[0]:span[1]] != make(tree):
            line = page[:span[0]].count("\n") + 1
            yield f"{path}:{line}: the table '{name}' is not what {source} says; run tests/tidy/tidy.py --write"


def write(tree):
    for name, (path, make, source) in TABLES.items():
        if source not in tree.files or path not in tree.files:
            continue
        page = tree.text(path)
        if span := _span(page, name):
            (tree.root / path).write_text(page[:span[0]] + make(tree) + page[span[1]:])


CHECKS = [docs_repeat_the_code]
