"""Peak memory of what handles whole data sets, each in a fresh process, on images of CIFAR-10's and MNIST's size.

    python benchmarks/memory.py

Images and weights are random: memory does not depend on them. Writes its table into `benchmarks/README.md`.
"""

import json
import resource
import subprocess
import sys
import tempfile

import click
import document

SHAPES = {"cifar_cnn": (32, 32, 3), "mnist_cnn": (28, 28, 1)}


def images(architecture: str, n: int):
    """Random images in [-1, 1] and labels."""
    import numpy as np

    rng = np.random.default_rng(0)
    x = rng.random((n, *SHAPES[architecture]), dtype=np.float32)
    x *= 2
    x -= 1
    return x, rng.integers(0, 10, n, dtype=np.int32)


def attack(architecture: str, n: int) -> dict:
    """An attack on n images; every step needs the same memory, so two will do."""
    from robint_tf import attacks
    from robint_tf.networks import classifiers
    from robint_tf.specs import PGD

    network, (x, y) = classifiers.build(architecture), images(architecture, n)
    before = peak()
    attacks.attack_dataset(network, x, y, PGD(norm="l2", eps=1.0, step_size=1.0, n_steps=2))
    return {"given": x.nbytes, "returned": x.nbytes, "before": before}


def attribute(architecture: str, n: int) -> dict:
    """Loss-gradient maps of n images."""
    from robint_tf.interpretability import attributions
    from robint_tf.networks import classifiers

    network, (x, _) = classifiers.build(architecture), images(architecture, n)
    before = peak()
    maps = attributions.attribute(network, x, "gradient")
    return {"given": x.nbytes, "returned": maps.nbytes, "before": before}


def project(architecture: str, n: int) -> dict:
    """Distances of n images to their projections by a VAE-GAN."""
    from robint_tf import manifold
    from robint_tf.networks import vae_gan

    model, (x, _) = vae_gan.build({"cifar_cnn": "cifar10", "mnist_cnn": "mnist"}[architecture]), images(architecture, n)
    before = peak()
    distances = manifold.distances(manifold.Projector(model), x)
    return {"given": x.nbytes, "returned": distances.nbytes, "before": before}


def cell(architecture: str, n: int) -> dict:
    """One ROAR cell: maps of n training images, their order, occlusion, one epoch of training, the test accuracy."""
    from robint_tf import training
    from robint_tf.interpretability import attributions, occlusion
    from robint_tf.networks import classifiers
    from robint_tf.specs import Training

    network, (x, y) = classifiers.build(architecture), images(architecture, n)
    before = peak()
    ranks = occlusion.ranks(attributions.attribute(network, x, "gradient"), seed=0)
    occluded = occlusion.occlude(x, ranks, 0.5, occlusion.fill_values(occlusion.channel_mean(x)).train)
    training.fit_classifier(network, occluded, y, Training(epochs=1))
    return {"given": x.nbytes, "returned": occluded.nbytes + ranks.nbytes, "before": before}


def demo() -> dict:
    """The whole of `robint demo`."""
    with tempfile.TemporaryDirectory() as folder:
        code = "from robint_experiments.cli import main; main()"
        command = [sys.executable, "-c", code, "demo", "--store", f"{folder}/store", "--out", f"{folder}/out"]
        subprocess.run(command, check=True, capture_output=True)
    return {"peak": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024}


CASES = {
    "attack on 10,000 images, CIFAR-10 network": lambda: attack("cifar_cnn", 10_000),
    "attack on 10,000 images, MNIST network": lambda: attack("mnist_cnn", 10_000),
    "60,000 loss-gradient maps, CIFAR-10 network": lambda: attribute("cifar_cnn", 60_000),
    "distances of 10,000 images to the manifold, VAE-GAN of CIFAR-10": lambda: project("cifar_cnn", 10_000),
    "distances of 10,000 images to the manifold, VAE-GAN of MNIST": lambda: project("mnist_cnn", 10_000),
    "a ROAR cell on 50,000 CIFAR-10 images": lambda: cell("cifar_cnn", 50_000),
    "`robint demo`": demo,
}


def peak() -> int:
    """Most bytes that this process has had in memory."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@click.command()
@click.option("--one", hidden=True)
def main(one: str | None) -> None:
    """Measure every case and write the table."""
    if one:
        found = CASES[one]()
        click.echo(json.dumps({"peak": peak(), **found}))
        return
    lines = ["| what | peak | before it began | given and returned | on top of these |", "|---|---|---|---|---|"]
    for name in CASES:
        done = subprocess.run([sys.executable, __file__, "--one", name], capture_output=True, text=True, check=True)
        found = json.loads(done.stdout.splitlines()[-1])
        row = [f"{found['peak'] / 2**20:,.0f} MiB"]
        if "before" in found:
            # What is given lies in memory before it begins.
            extra = found["peak"] - found["before"] - found["returned"]
            both = f"{found['given'] / 2**20:,.0f} and {found['returned'] / 2**20:,.0f} MiB"
            row += [f"{found['before'] / 2**20:,.0f} MiB", both, f"{extra / 2**20:,.0f} MiB"]
        else:
            row += ["", "", ""]
        lines.append(f"| {name} | {' | '.join(row)} |")
        click.echo(lines[-1], err=True)
    document.write("memory", lines)


if __name__ == "__main__":
    main()
