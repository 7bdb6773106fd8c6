"""The layout of the package: imports point down, and the command line loads no TensorFlow before it must."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import robint_experiments
import robint_tf

LIBRARY = Path(robint_tf.__file__).parent
EXPERIMENTS = Path(robint_experiments.__file__).parent

ROWS = [
    {"__init__", "errors"},
    {"checks"},
    {"specs", "interrupts", "published", "boundary", "scores", "provenance", "folders"},
    {"cifar_pickle", "tfds_folder", "keras_file"},
    {
        "norms",
        "losses",
        "leases",
        "checkpoints",
        "controls",
        "inference",
        "cifar",
        "device",
        "idx",
        "layers",
        "optimizers",
        "occlusion",
    },
    {"verdicts"},
    {"artifacts", "classifiers", "results", "sources", "spectral", "verdicts_interpretability", "protocols"},
    {"cards", "claims", "data", "bounds", "vae_gan_networks", "plots_manifold", "plots_interpretability"},
    {"forward", "inputs"},
    {"attacks", "models", "packs", "plots", "vae_gan", "comparison", "report"},
    {"report_markdown", "evaluation", "training_state", "manifold", "attributions", "road", "gradient_measures"},
    {"training"},
    {"vae_gan_training"},
    {"recipes"},
    {"retraining"},
]
RANK = {name: row for row, names in enumerate(ROWS) for name in names}
LIGHT = {"__init__", "errors", "checks", "specs", "interrupts", "published", "data", "sources", "cifar", "idx"}
"""What experiments may import before a command runs."""


def imported(path, *, top_level_only=False):
    """Names of the modules of robint_tf that a file imports."""
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level_only else ast.walk(tree)
    names = set()
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module == "robint_tf":
            names |= {alias.name if (LIBRARY / f"{alias.name}.py").exists() else "__init__" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("robint_tf."):
            names.add(node.module.split(".")[1])
    return names


def test_every_module_has_a_row():
    assert {p.stem for p in LIBRARY.glob("*.py")} == set(RANK)


@pytest.mark.parametrize("name", sorted(RANK))
def test_imports_point_down(name):
    used = imported(LIBRARY / f"{name}.py")
    assert all(RANK[other] < RANK[name] for other in used), f"{name} imports {sorted(used)}"


@pytest.mark.parametrize("path", sorted(LIBRARY.glob("*.py")), ids=lambda p: p.stem)
def test_a_module_holds_one_idea(path):
    assert len(path.read_text().splitlines()) <= 300


@pytest.mark.parametrize("path", sorted(EXPERIMENTS.glob("*.py")), ids=lambda p: p.stem)
def test_commands_load_heavy_modules_only_when_they_run(path):
    heavy = imported(path, top_level_only=True) - LIGHT
    assert heavy <= ({"artifacts"} if path.stem in ("run", "pack", "unpack") else set())


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


def test_every_listed_command_exists():
    from robint_experiments.cli import COMMANDS, main

    for name in COMMANDS:
        assert main.get_command(None, name).name == name
