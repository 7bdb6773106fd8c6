"""How long one waits before work begins: the command line, and the first and second of two equal cells of the grid.

    python benchmarks/startup.py [--processes 5]

Medians over fresh processes; the cells are one epoch of retraining on the packaged CIFAR-10 images, so that what is
compiled weighs most. Writes its table into `benchmarks/README.md`.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import click
import document

ROBINT = [sys.executable, "-c", "from robint_experiments.cli import main; main()"]


def cells(n_train: int = 1000) -> list[float]:
    """Seconds of two equal cells with one network, and of a third with a network of its own."""
    from robint_tf import data, recipes
    from robint_tf.interpretability.retraining import Occluder, retrained_accuracy
    from robint_tf.networks import classifiers
    from robint_tf.specs import RetrainSpec, Training
    from robint_tf.store.artifacts import Store

    images = data.load("cifar10_sample", offline=True)
    spec = RetrainSpec(
        dataset="cifar10_sample",
        source=None,
        attribution="random",
        occlusion="remove",
        fraction=0.5,
        training=Training(epochs=1, seed=1000),
        n_train=n_train,
        n_test=200,
    )
    network, seconds = classifiers.build("cifar_cnn"), []
    with tempfile.TemporaryDirectory() as folder:
        for seed, scratch in ((1000, network), (1001, network), (1002, None)):
            cell = replace(spec, training=replace(spec.training, seed=seed))
            began = time.perf_counter()
            retrained_accuracy(cell, Occluder(recipes.Networks(images, Store(Path(folder)))), network=scratch)
            seconds.append(time.perf_counter() - began)
    return seconds


@click.command()
@click.option("--processes", type=click.IntRange(1), default=5, show_default=True)
@click.option("--cells", "one", is_flag=True, hidden=True)
def main(processes: int, one: bool) -> None:
    """Measure and write the table."""
    if one:
        from robint_tf.runtime import device

        device.configure("cpu")
        click.echo(json.dumps(cells()))
        return
    took: dict[str, list[float]] = {}
    for _ in range(processes):
        for words in (["--help"], ["section-3-2", "--help"], ["--version"]):
            began = time.perf_counter()
            subprocess.run([*ROBINT, *words], check=True, capture_output=True)
            took.setdefault(f"`robint {' '.join(words)}`", []).append(time.perf_counter() - began)
        done = subprocess.run([sys.executable, __file__, "--cells"], check=True, capture_output=True, text=True)
        names = ("first cell", "second cell, with the same network", "third cell, with a network built for it")
        for name, seconds in zip(names, json.loads(done.stdout.splitlines()[-1]), strict=True):
            took.setdefault(name, []).append(seconds)
    lines = [f"| what | median of {processes} processes | range |", "|---|---|---|"]
    for name, seconds in took.items():
        lines.append(f"| {name} | {statistics.median(seconds):.2f} s | {min(seconds):.2f} to {max(seconds):.2f} s |")
    document.write("startup", lines)
    click.echo("\n".join(lines))


if __name__ == "__main__":
    main()
