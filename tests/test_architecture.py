"""The layout of the package: imports point down, and the command line loads no TensorFlow before it must."""

import ast
import graphlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import robint_experiments
import robint_tf

LIBRARY = Path(robint_tf.__file__).parent
EXPERIMENTS = Path(robint_experiments.__file__).parent

ROOMS = [
    {"__init__", "errors"},
    {"checks", "intervals"},
    {"settings"},
    {"labels", "registry"},
    {"catalogue"},
    {"specs"},
    {"runtime", "store"},
    {"data"},
    {"networks"},
    {"attacks"},
    {"training"},
    {"manifold"},
    {"recipes"},
    {"interpretability"},
    {"study"},
    {"paper"},
]
"""Folders and single modules of the library; each uses what stands above it, and its own."""
RANK = {name: row for row, names in enumerate(ROOMS) for name in names}
LIGHT = {"__init__", "errors", "checks", "settings", "labels", "registry", "catalogue", "specs", "data"}
LIGHT |= {"runtime.interrupts", "paper.published"}
"""What experiments may import before a command runs."""
MODULES = sorted(LIBRARY.rglob("*.py"))
MOST_MODULES, MOST_LINES, MOST_LINES_OF_A_COMMAND = 10, 300, 150


def named(path):
    """The module's dotted name below the package: attacks.pgd, specs; a folder's own is the folder's."""
    parts = path.relative_to(LIBRARY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


NAMES = {named(path) for path in MODULES}


def imported(path, *, top_level_only=False):
    """Dotted names of the modules and folders of robint_tf that a file imports."""
    tree = ast.parse(path.read_text())
    found = set()
    for node in tree.body if top_level_only else ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or node.level or not (node.module or "").startswith("robint_tf"):
            continue
        folder = (node.module or "").removeprefix("robint_tf").lstrip(".")
        for alias in node.names:
            inner = f"{folder}.{alias.name}".lstrip(".")
            found.add(inner if inner in NAMES else folder or "__init__")
    return found


def room(name):
    return name.split(".")[0]


def test_every_room_has_its_place():
    assert {room(name) for name in NAMES} == set(RANK)


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_imports_point_down(path):
    here = room(named(path))
    for other in imported(path):
        assert room(other) == here or RANK[room(other)] < RANK[here], f"{named(path)} imports {other}"


def test_no_modules_import_each_other():
    """Within a room, too; a folder's own module stands for what it offers."""
    uses = {named(path): imported(path) & NAMES for path in MODULES}
    graph = {name: {other for other in others if other != name} for name, others in uses.items()}
    graphlib.TopologicalSorter(graph).prepare()  # CycleError names a cycle


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_a_module_holds_one_idea(path):
    assert len(path.read_text().splitlines()) <= MOST_LINES


@pytest.mark.parametrize("package", [LIBRARY, EXPERIMENTS], ids=lambda p: p.name)
def test_a_room_can_be_taken_in_at_a_glance(package):
    for folder in (package, *(p for p in package.rglob("*") if p.is_dir())):
        modules = [p.name for p in folder.glob("*.py") if p.name != "__init__.py"]
        assert len(modules) <= MOST_MODULES, f"{folder.name} holds {len(modules)} modules"


@pytest.mark.parametrize(
    "path",
    [
        path
        for path in (*MODULES, *sorted(EXPERIMENTS.rglob("*.py")))
        if path.name == "__init__.py" and path.parent not in (LIBRARY, LIBRARY / "data" / "samples")
    ],
    ids=lambda path: path.parent.name,
)
def test_a_room_says_what_is_in_it(path):
    """The docstring of a folder names each of its modules and folders."""
    text = ast.get_docstring(ast.parse(path.read_text()))
    inside = {p.stem for p in path.parent.glob("*.py")} | {p.parent.name for p in path.parent.glob("*/__init__.py")}
    for name in inside - {"__init__", "samples"}:
        assert name in text, f"{path.parent.name} does not speak of {name}"


@pytest.mark.parametrize("path", sorted((EXPERIMENTS / "commands").glob("*.py")), ids=lambda p: p.stem)
def test_a_command_is_short(path):
    assert len(path.read_text().splitlines()) <= MOST_LINES_OF_A_COMMAND


@pytest.mark.parametrize(
    "path", sorted(EXPERIMENTS.glob("studies/*.py")) + sorted(EXPERIMENTS.glob("beyond/*.py")), ids=lambda p: p.stem
)
def test_a_study_is_short(path):
    assert path.stem == "presets" or len(path.read_text().splitlines()) <= MOST_LINES


def texts(path):
    """The texts in a module: messages, docstrings, parts of formatted texts."""
    tree = ast.parse(path.read_text())
    return [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def named_of_the_command_line(text):
    """Commands and options of `robint` that a text names; CSS's variables look like options and are none."""
    from robint_experiments.cli import COMMANDS

    return re.findall(rf"\brobint (?:{'|'.join(COMMANDS)})\b|(?<![\w(-])--[a-z][a-z-]+(?![\w:-])", text)


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_the_library_names_no_command_and_no_option(path):
    """Programs use it, too: it says what is missing, and the command line adds what to type (`hints`)."""
    assert [found for text in texts(path) for found in named_of_the_command_line(text)] == []


def test_a_text_that_names_a_command_is_found():
    assert named_of_the_command_line("train one with `robint train --save m.keras`") == ["robint train", "--save"]
    assert named_of_the_command_line("color: var(--paper); --ink: #000; robint_tf - x--y") == []


@pytest.mark.parametrize("path", sorted(EXPERIMENTS.rglob("*.py")), ids=lambda p: p.stem)
def test_commands_load_heavy_modules_only_when_they_run(path):
    heavy = {name for name in imported(path, top_level_only=True) if name not in LIGHT and room(name) not in LIGHT}
    if path.stem == "tables":  # which `report` loads when it runs
        return
    assert heavy <= ({"store.artifacts"} if path.stem in ("run", "pack", "unpack") else set())


@pytest.mark.parametrize("args", [["--help"], ["--version"], ["section-2-2", "--help"], ["train", "--help"]])
def test_help_does_not_import_tensorflow(args):
    code = (
        "import sys; from robint_experiments.cli import main\n"
        f"try: main({args!r})\nexcept SystemExit as e: code = e.code\n"
        "assert not {'tensorflow', 'keras', 'matplotlib.pyplot', 'scipy'} & set(sys.modules); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_folders_and_modules_are_at_hand_in_a_fresh_process():
    """As documents write them: robint_tf.study.load, robint_tf.catalogue.ATTRIBUTIONS."""
    code = (
        "import sys, robint_tf\n"
        "assert robint_tf.study.load and 'deeplift' in robint_tf.catalogue.ATTRIBUTIONS\n"
        "try: robint_tf.nothing\nexcept AttributeError: pass\nelse: sys.exit(1)\n"
        "assert set(robint_tf.__all__) >= {'store', 'labels'} and robint_tf.store and robint_tf.labels"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_listed_command_exists():
    from robint_experiments.cli import COMMANDS, main

    for name in COMMANDS:
        assert main.get_command(None, name).name == name
