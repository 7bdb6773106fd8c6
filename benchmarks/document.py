"""The parts of `benchmarks/README.md` that the scripts beside it write."""

import re
from pathlib import Path

README = Path(__file__).with_name("README.md")


def part(name: str, readme: Path = README) -> str:
    """What stands between the marks of a part."""
    return _match(name, readme.read_text())[2]


def write(name: str, lines: list[str], readme: Path = README) -> None:
    """Put lines between the marks of a part; a blank line goes before and after them."""
    text = readme.read_text()
    found = _match(name, text)
    content = "\n".join(["", *lines, "", ""])
    readme.write_text(text[: found.start(2)] + content + text[found.end(2) :])


def _match(name: str, text: str) -> re.Match:
    found = re.search(rf"(<!-- {name}: .*?-->\n)(.*?)(<!-- end of {name} -->)", text, re.DOTALL)
    if found is None:
        raise ValueError(f"README.md has no marks of a part {name!r}.")
    return found
