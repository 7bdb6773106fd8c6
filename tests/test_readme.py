"""What the documents tell people to type exists, their links lead somewhere, and examples run."""

import doctest
import importlib
import pkgutil
import re
import shlex
from pathlib import Path

import click
import pytest

import robint_tf
from robint_experiments.cli import COMMANDS, main
from robint_experiments.commands.plan import SECTIONS

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
DOCUMENTS = sorted((Path(__file__).parents[1] / "docs").glob("*.md"))
TEXTS = "\n".join([README, *(path.read_text(encoding="utf-8") for path in DOCUMENTS)])
TYPED = sorted(set(re.findall(r"robint [a-z][^`\n#|&]*", TEXTS.replace(r"\|", "/"))))


def test_the_readme_shows_every_command():
    for command in COMMANDS:
        assert f"robint {command}" in README


@pytest.mark.parametrize("line", TYPED)
def test_commands_in_the_readme_have_the_options_shown(line):
    _, name, *words = shlex.split(line)
    if name not in COMMANDS:
        assert not re.search(rf"`robint {re.escape(name)}", TEXTS)  # a word of the text, not a command
        return
    words = [re.sub("/.*", "", w) if "smoke/" in w else w for w in words]
    check(name, words)


def check(name, words):
    """The command takes these words."""
    command = main.get_command(click.Context(main), name)
    context = click.Context(command, info_name=name, **command.context_settings)
    options, rest, _ = command.make_parser(context).parse_args(list(words))
    for option in command.params:
        if isinstance(option, click.Option) and option.name in options:
            option.type_cast_value(context, options[option.name])
    if name == "plan":
        section = next(i for i, word in enumerate(words) if word in SECTIONS)
        check(words[section], words[section + 1 :])
        return
    arguments = [p for p in command.params if isinstance(p, click.Argument)]
    if not any(p.nargs == -1 for p in arguments):
        assert len(rest) <= sum(p.nargs for p in arguments), f"robint {name} does not take {rest}"


def test_a_word_too_many_is_found():
    with pytest.raises(AssertionError, match="does not take"):
        check("status", ["--preset", "quick", "more"])


def test_the_python_example_of_the_readme_runs(capsys):
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(compile(example, "README.md", "exec"), {})
    assert re.search(r"% of 50 images \(95% interval", capsys.readouterr().out)


def test_the_python_example_of_results_files_runs(monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[1])
    (example,) = re.findall(r"```python\n(.*?)```", (DOCUMENTS[0].parent / "results-format.md").read_text(), re.DOTALL)
    names: dict = {}
    exec(compile(example, "results-format.md", "exec"), names)
    assert names["content"]["figure"] == "section_2_2"
    assert {"quantity", "value", "low", "high"} <= set(dir(names["rows"][0]))


def test_the_tests_named_in_the_documents_exist():
    tests = "".join(p.read_text(encoding="utf-8") for p in Path(__file__).parent.glob("test_*.py"))
    for document in (Path(__file__).parents[1] / "docs").glob("*.md"):
        for name in re.findall(r"`(test_\w+)`", document.read_text(encoding="utf-8")):
            assert f"def {name}(" in tests, f"{document.name} names {name}"


PAGES = [*(Path(__file__).parents[1] / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")), *DOCUMENTS]


def anchor(heading):
    """The name that GitHub gives a heading."""
    return re.sub(r"[^\w -]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_figures_of_the_documents_exist(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if target.startswith(("http://", "https://")):
            continue
        name, _, part = target.partition("#")
        path = page if not name else page.parent / name
        assert path.exists(), f"{page.name} links to {target}"
        if part:
            headings = re.findall(r"^#+ (.*)", path.read_text(encoding="utf-8"), re.MULTILINE)
            assert part in map(anchor, headings), f"{page.name} links to {target}"


LIBRARY = Path(robint_tf.__file__).parent
WITH_EXAMPLES = [p for p in sorted(LIBRARY.rglob("*.py")) if ">>> " in p.read_text(encoding="utf-8")]


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=lambda path: path.relative_to(LIBRARY).as_posix())
def test_the_examples_in_docstrings_run(path):
    name = ".".join(("robint_tf", *path.relative_to(LIBRARY).with_suffix("").parts))
    done = doctest.testmod(importlib.import_module(name), raise_on_error=False)
    assert done.attempted > 0
    assert done.failed == 0


def test_rooms_name_their_modules():
    """What a room's `__all__` leaves out is missing from the API reference."""
    for path in sorted(LIBRARY.rglob("__init__.py")):
        room = importlib.import_module(".".join(("robint_tf", *path.parent.relative_to(LIBRARY).parts)))
        inside = {module.name for module in pkgutil.iter_modules(room.__path__)}
        names = set(getattr(room, "__all__", inside))
        assert inside - {"samples"} <= names, f"{room.__name__}.__all__ lacks {inside - names}"
        assert all(hasattr(room, name) or name in inside for name in names)
