"""What `--deterministic` costs on a CPU, and whether runs repeat bit for bit with it and without.

    python benchmarks/determinism.py [--processes 5]

Trains the CIFAR-10 network for one epoch on 1,000 packaged images and on 200 attacked ones, in fresh processes with one
and two threads, interleaved; writes medians of seconds into `benchmarks/README.md`, and whether all processes of a kind
ended with the same weights.
"""

import hashlib
import json
import statistics
import subprocess
import sys
import time

import click
import document


def once(deterministic: bool, threads: int) -> dict:
    """Seconds and a hash of the weights of a standard and of an adversarial training."""
    from robint_tf.runtime import device

    device.configure("cpu", deterministic=deterministic, threads=threads)
    from robint_tf import data, training
    from robint_tf.networks import classifiers
    from robint_tf.specs import PGD, Training

    sample, network = data.load("cifar10_sample").train, classifiers.build("cifar_cnn")
    found = {}
    for name, n, attack in (
        ("standard", 1000, None),
        ("adversarial", 200, PGD(norm="l2", eps=0.4, step_size=0.4, n_steps=10)),
    ):
        training.fit_classifier(network, sample.x[:100], sample.y[:100], Training(epochs=1), attack, initialise=True)
        began = time.perf_counter()
        training.fit_classifier(network, sample.x[:n], sample.y[:n], Training(epochs=1), attack, initialise=True)
        seconds = time.perf_counter() - began
        weights = b"".join(w.tobytes() for w in network.get_weights())
        found[name] = {"seconds": seconds, "weights": hashlib.sha256(weights).hexdigest()}
    return found


@click.command()
@click.option("--processes", type=click.IntRange(2), default=5, show_default=True)
@click.option("--one", nargs=2, type=int, hidden=True)
def main(processes: int, one: tuple[int, int] | None) -> None:
    """Time training with and without deterministic operations."""
    if one:
        click.echo(json.dumps(once(bool(one[0]), one[1])))
        return
    kinds = [(deterministic, threads) for threads in (1, 2) for deterministic in (0, 1)]
    found: dict[tuple[int, int], list[dict]] = {kind: [] for kind in kinds}
    for _ in range(processes):
        for kind in kinds:
            command = [sys.executable, __file__, "--one", *map(str, kind)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found[kind].append(json.loads(done.stdout.splitlines()[-1]))
    lines = ["| training | threads | default | deterministic | ratio | repeats bit for bit: default, deterministic |"]
    lines.append("|---|---|---|---|---|---|")
    for threads in (1, 2):
        for name in ("standard", "adversarial"):
            pair = [[run[name] for run in found[deterministic, threads]] for deterministic in (0, 1)]
            default, deterministic = (statistics.median(run["seconds"] for run in runs) for runs in pair)
            equal = ", ".join("yes" if len({run["weights"] for run in runs}) == 1 else "no" for runs in pair)
            ratio = deterministic / default
            lines.append(f"| {name} | {threads} | {default:.2f} s | {deterministic:.2f} s | {ratio:.2f} | {equal} |")
    document.write("determinism", lines)
    click.echo("\n".join(lines))


if __name__ == "__main__":
    main()
