"""Is our compiled loop worth its code? Standard training by `fit_classifier` beside `Model.fit`, in one run.

    python benchmarks/training_loop.py [--repeats 5] [--out results.json]

Every repeat is a fresh process per way and network, interleaved; each times its second epoch (the first one compiles),
and the table shows medians of images per second and their ratio.
"""

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import click

SIZES = {"gaussian_mlp": 30_000, "mnist_cnn": 1_500, "cifar_cnn": 5_000}
WAYS = ("loop", "fit", "fit, 20 steps a call")


def measure(way: str, architecture: str) -> float:
    """Images per second of one epoch, after one to warm up."""
    import keras
    import numpy as np

    from robint_tf import classifiers, training
    from robint_tf.specs import Training

    rng = np.random.default_rng(0)
    n, classes = SIZES[architecture], classifiers.N_CLASSES[architecture]
    x = rng.uniform(-1, 1, (n, *classifiers.INPUT_SHAPES[architecture])).astype("float32")
    y = rng.integers(0, classes, n).astype("int32")
    network = classifiers.build(architecture)
    if way == "loop":
        seconds = []
        for _ in range(2):
            began = time.perf_counter()
            training.fit_classifier(network, x, y, Training(epochs=1))
            seconds.append(time.perf_counter() - began)
        return n / seconds[1]
    network.compile(
        training.adam(),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        steps_per_execution=20 if "20" in way else 1,
        jit_compile=False,
    )
    seconds = []
    for _ in range(2):
        began = time.perf_counter()
        network.fit(x, y, batch_size=100, epochs=1, shuffle=False, verbose=0)
        seconds.append(time.perf_counter() - began)
    return n / seconds[1]


@click.command()
@click.option("--repeats", type=click.IntRange(1), default=5, show_default=True)
@click.option("--out", type=click.Path(path_type=Path))
@click.option("--one", nargs=2, hidden=True)
def main(repeats: int, out: Path | None, one: tuple[str, str] | None) -> None:
    """Time standard training by our loop and by Keras' fit."""
    if one:
        click.echo(json.dumps(measure(*one)))
        return
    rates: dict[str, dict[str, list[float]]] = {a: {w: [] for w in WAYS} for a in SIZES}
    for _ in range(repeats):
        for architecture, ways in rates.items():
            for way, values in ways.items():
                command = [sys.executable, __file__, "--one", way, architecture]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                values.append(json.loads(done.stdout.splitlines()[-1]))
    click.echo(f"{'network':14}{'way':24}{'images/s, median (min to max)':>36}{'loop / way':>12}")
    for architecture, ways in rates.items():
        best = statistics.median(ways["loop"])
        for way, values in ways.items():
            middle = statistics.median(values)
            spread = f"{middle:,.0f} ({min(values):,.0f} to {max(values):,.0f})"
            click.echo(f"{architecture:14}{way:24}{spread:>36}{best / middle:12.2f}")
    if out:
        out.write_text(json.dumps({"repeats": repeats, "images_per_second": rates}, indent=1) + "\n")


if __name__ == "__main__":
    main()
