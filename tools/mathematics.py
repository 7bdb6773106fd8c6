"""Digest what small runs of every recipe compute, so that numbers cannot move without a new `specs.MATHEMATICS`.

usage: python tools/mathematics.py            compare with tests/golden/mathematics.json
       python tools/mathematics.py --write    keep today's numbers there, beside those of other kinds of machine

Runs are bit-equal on one kind of machine (`device.describe`): there every digest must be the one on file. On another,
rounding differs, and a few numbers of each run must agree within `TOLERANCE` instead.
"""

import argparse
import hashlib
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from robint_tf import attacks, data, recipes
from robint_tf.interpretability import retraining
from robint_tf.networks import classifiers
from robint_tf.runtime import device
from robint_tf.specs import MATHEMATICS, PGD, ClassifierSpec, DistanceSpec, RetrainSpec, Training, VAEGANSpec
from robint_tf.store.artifacts import Arrays, Store

PATH = Path(__file__).parents[1] / "tests" / "golden" / "mathematics.json"
TOLERANCE = 2e-3  # relative, of means over arrays after a handful of steps
KEPT = 20  # kinds of machine on file

NOT_ARITHMETIC = ("robint_tf", "numpy", "mathematics")


def machine() -> str:
    """What decides the last bit, in one line."""
    return ", ".join(f"{key} {value}" for key, value in device.describe().items() if key not in NOT_ARITHMETIC)


def runs() -> Iterator[tuple[str, Arrays]]:
    """Small runs of every kind of recipe, on one thread's worth of packaged images."""
    digits, photos = (data.load(f"{name}_sample", offline=True) for name in ("mnist", "cifar10"))
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        short = Training(epochs=2, batch_size=20)
        standard = ClassifierSpec(dataset="mnist_sample", training=short, n_train=60)
        weak = PGD(norm="l2", eps=1.0, step_size=0.5, n_steps=3)
        robust = ClassifierSpec(dataset="mnist_sample", training=short, n_train=40, attack=weak)
        for name, spec in (("standard", standard), ("robust", robust)):
            network = recipes.classifier(spec, digits, store).network
            yield f"classifier, {name}", dict(enumerate(network.get_weights()))  # type: ignore[arg-type]
        for norm, eps in (("l2", 2.0), ("linf", 0.1)):
            for loss in ("xent", "cw", "cw_unclamped", "cw_masked"):
                attack = PGD(norm=norm, eps=eps, step_size=eps / 2, n_steps=3, loss=loss)  # type: ignore[arg-type]
                x, y = photos.test.x[:20], photos.test.y[:20]
                found = attacks.attack_dataset(classifiers.build("cifar_cnn"), x, y, attack)
                yield f"attack, {norm} {loss}", {"x_adv": found.x_adv, "logits": found.logits}
        vae_gan = VAEGANSpec(dataset="mnist_sample", epochs=1, batch_size=10, n_train=20)
        spec = DistanceSpec(classifier=robust, reference=standard, vae_gan=vae_gan, attack=weak, n_test=10)
        distances = recipes.distances(
            spec,
            recipes.Networks(digits, store),
            lambda wanted: recipes.trained_vae_gan(wanted, digits, store),
        )
        yield "distances", {"sampled": distances.sampled, "mean": distances.mean}
        occluder = retraining.Occluder(recipes.Networks(photos, store))
        source = ClassifierSpec(dataset="cifar10_sample", training=Training(epochs=0))
        for attribution in ("gradient", "gradient_x_input", "random"):
            for variant in ("authors", "paper", "corrected"):
                cell = RetrainSpec(
                    dataset="cifar10_sample",
                    source=None if attribution == "random" else source,
                    attribution=attribution,  # type: ignore[arg-type]
                    occlusion="remove",
                    fraction=0.3,
                    training=short,
                    n_train=30,
                    n_test=20,
                    variant=variant,  # type: ignore[arg-type]
                )
                train, test = occluder.splits(cell)
                yield f"occluded images, {attribution}, {variant}", {"train": train.x, "test": test.x}


def digest(arrays: Arrays) -> str:
    """SHA-256 of the arrays' bytes, in order."""
    found = hashlib.sha256()
    for array in arrays.values():
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()[:16]


def summary(arrays: Arrays) -> list[float]:
    """Mean and mean square of each array."""
    return [float(f(np.asarray(a, np.float64))) for a in arrays.values() for f in (np.mean, lambda v: np.mean(v * v))]


def problems(found: dict[str, Arrays], filed: dict) -> list[str]:
    """What differs from the numbers on file; nothing if there is nothing to object to."""
    if filed["mathematics"] != MATHEMATICS:
        return [f"the file is of version {filed['mathematics']}, the package of {MATHEMATICS}: write it anew"]
    exact = filed["digests"].get(machine())
    wrong = []
    for name, arrays in found.items():
        if exact is not None and exact.get(name) != digest(arrays):
            wrong.append(f"{name}: other bits than those on file for this kind of machine")
        elif not np.allclose(summary(arrays), filed["summaries"][name], rtol=TOLERANCE, atol=1e-5):
            wrong.append(f"{name}: {summary(arrays)[:4]} instead of {filed['summaries'][name][:4]}")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="keep today's numbers")
    write = parser.parse_args().write
    device.configure("cpu", deterministic=True, threads=1)
    found = dict(runs())
    filed = json.loads(PATH.read_text()) if PATH.exists() else {"mathematics": 0, "digests": {}, "summaries": {}}
    if write:
        digests = filed["digests"] if filed["mathematics"] == MATHEMATICS else {}
        digests[machine()] = {name: digest(arrays) for name, arrays in found.items()}
        summaries = {name: summary(arrays) for name, arrays in found.items()}
        content = {"mathematics": MATHEMATICS, "digests": dict(list(digests.items())[-KEPT:]), "summaries": summaries}
        PATH.write_text(json.dumps(content, indent=1) + "\n")
        print(f"wrote {PATH}")
        return 0
    wrong = problems(found, filed)
    known = machine() in filed["digests"]
    print(f"mathematics {MATHEMATICS}; this kind of machine is {'' if known else 'not '}on file ({machine()})")
    for line in wrong:
        print(line)
    if wrong:
        print("Numbers have moved: raise MATHEMATICS in robint_tf/specs/__init__.py and run this with --write.")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
