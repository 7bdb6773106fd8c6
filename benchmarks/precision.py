"""What `mixed_bfloat16` changes in accuracy over whole trainings of the CIFAR-10 network, standard and adversarial.

    python benchmarks/precision.py --data-dir FOLDER [--seeds 3]

Trains in both precisions from the same seeds, evaluates each network in its own precision, and writes its table into
`benchmarks/README.md`. Networks lie in the store, so that an interrupted run continues.
"""

import os
import statistics
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import click
import document


@click.command()
@click.option("--data-dir", type=click.Path(path_type=Path), help="Folder with prepared TFDS data sets.")
@click.option("--store", "folder", type=click.Path(path_type=Path), default=Path("store"), show_default=True)
@click.option("--seeds", type=click.IntRange(2), default=3, show_default=True)
@click.option("--n-train", type=click.IntRange(1), default=10_000, show_default=True)
@click.option("--epochs", type=click.IntRange(1), default=6, show_default=True)
@click.option("--threads", type=click.IntRange(1), help="CPU threads.")
def main(data_dir: Path | None, folder: Path, seeds: int, n_train: int, epochs: int, threads: int | None) -> None:
    """Train and evaluate in float32 and in mixed_bfloat16."""
    from robint_tf.runtime import device

    device.configure("auto", threads=threads)
    from robint_tf import data, recipes
    from robint_tf.specs import PGD, AccuracySpec, ClassifierSpec, Training
    from robint_tf.store.artifacts import Store

    dataset, store = data.load("cifar10", data_dir=data_dir), Store(folder)
    pgd = PGD(norm="l2", eps=0.8, step_size=2.0, n_steps=7)
    found: dict[tuple[str, str], list[float]] = {}
    for seed in range(seeds):
        for kind, attack in (("standard", None), ("adversarial", pgd)):
            for precision in ("float32", "mixed_bfloat16"):
                recipe = Training(epochs=epochs, batch_size=50, seed=seed, precision=precision)
                spec = ClassifierSpec(dataset="cifar10", training=recipe, attack=attack, n_train=n_train)
                network = recipes.classifier(spec, dataset, store).network
                for test, n_test in ((None, 10_000), (pgd, 1_000)):
                    accuracy = recipes.measured_accuracy(
                        AccuracySpec(classifier=spec, attack=test, n_test=n_test),
                        dataset,
                        store,
                        lambda network=network: network,
                    ).value
                    measure = "clean" if test is None else "attacked"
                    found.setdefault((f"{kind} training, {measure}", precision), []).append(accuracy)
                click.echo(f"seed {seed}, {kind}, {precision}: done", err=True)
    lines = [
        f"CIFAR-10 network, first {n_train:,} training images, {epochs} epochs, {seeds} seeds; clean accuracy on "
        "10,000 test images, attacked by PGD-7 (l2, eps 0.8) on 1,000. The last column pairs the seeds: mean ± "
        "standard error.",
        "",
        "| accuracy | float32, mean (SD) | mixed_bfloat16, mean (SD) | difference |",
        "|---|---|---|---|",
    ]
    for measure in dict.fromkeys(measure for measure, _ in found):
        pair = [found[measure, precision] for precision in ("float32", "mixed_bfloat16")]
        cells = [f"{statistics.mean(values):.2%} ({statistics.stdev(values):.2%})" for values in pair]
        differences = [b - a for a, b in zip(*pair, strict=True)]
        error = statistics.stdev(differences) / seeds**0.5
        lines.append(f"| {measure} | {' | '.join(cells)} | {statistics.mean(differences):+.2%} ± {error:.2%} |")
    document.write("precision", lines)
    click.echo("\n".join(lines))


if __name__ == "__main__":
    main()
