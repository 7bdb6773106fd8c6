"""How much of the authors' protocol a results file holds, computed from the recipe that the file repeats.

results: the content of a results file. What a file does not say, such as one of an earlier release, is not compared.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from robint_tf.catalogue import DATASETS, origin
from robint_tf.labels import NORMS
from robint_tf.paper import protocols, published
from robint_tf.paper.verdicts import Results
from robint_tf.specs import FRACTIONS, PGD, Training
from robint_tf.store.results import printable

STEPS = PGD(norm="l2", eps=1.0, step_size=1.0).n_steps
"""Of PGD in the authors' adversarial training."""

OF_THE_GRID = {"retrainings", "networks", "norms"}
"""Parts of a protocol that say how many numbers there are, and not how each is made."""


@dataclass(frozen=True)
class Part:
    """A part of a protocol that is not the authors'. name: which, such as "epochs"; text: what it is, in words.

    share: how much of theirs it is, 1 where it is no amount.
    """

    name: str
    text: str
    share: float = 1.0


def told(results: Results) -> str:
    """What of the authors' protocol results lack, in words; "" for nothing.

    Such as "10,000 of 50,000 training images, 6 of 20 epochs".
    """
    return ", ".join(part.text for part in missing(results))


def protocol(results: Results) -> str:
    """The scale of results as `protocols.scale` names it, and what they lack. `KeyError` and its like as there."""
    scale, lacking = protocols.scale(results), told(results)
    return f"{scale}: {lacking}" if lacking else scale


def rank(results: Results) -> tuple[float, ...]:
    """Where of two files about the same thing the greater one is nearer to the authors' protocol; the least if unknown.

    First their variant, then what decides, then the share of their protocol that was run: the product over its parts.
    """
    try:
        parts = list(missing(results))
        variant = results["provenance"].get("variant", "authors") == "authors"
        return (1.0, variant, protocols.decides(results), math.prod(p.share for p in parts), -len(parts))
    except protocols.ODD:
        return (0.0,)


def missing(results: Results) -> Iterator[Part]:
    """The parts of the authors' protocol that results do not have in full. `KeyError` and its like for odd content."""
    if results.get("figure") == "section_2_2":
        if "epochs" in results:
            yield from _short("epochs", results["epochs"], DATASETS["toy"].epochs)
        return
    spec = results.get("spec")
    card = isinstance(spec, dict) and "clean_accuracy" in results
    made = spec if card and spec is not None else results
    dataset, training = made.get("dataset"), made.get("training")
    if not isinstance(dataset, str) or not isinstance(training, dict):
        return
    info = DATASETS.get(origin(dataset))
    if info is None or not info.published or info.epochs is None:
        return
    full = info.published["train"][-1].stop - info.held_back
    n_test = results["clean_accuracy"]["n"] if card else results["test_data"]["count"]
    yield from _short("training images", results["train_data"]["count"], full)
    yield from _training(training, info.epochs)
    if "retraining" in results:
        alike = set(_training(training, info.epochs))
        for part in _training(results["retraining"], info.epochs):
            if part not in alike:
                yield Part(f"{part.name} of retraining", f"retrained with {part.text}", part.share)
    if "training_attack_steps" in results:
        yield from _short("attack steps", results["training_attack_steps"], STEPS, "steps of PGD in training")
    yield from _short("test images", n_test, info.published["test"][-1].stop)
    if "vae_gan" in results and isinstance(results["vae_gan"], dict):
        yield from _vae_gan(results["vae_gan"], published.VAE_GAN_EPOCHS.get(origin(dataset)), full)
    if results.get("figure") == "manifold_distances":
        yield from _short("panels", len(results["panels"]), len(published.FIGURE_1_MODES[origin(dataset)]))
    if results.get("figure") == "interpretability":
        yield from _grid(results)


def _short(name: str, ours: Any, authors: int | None, called: str = "") -> Iterator[Part]:
    """A part where there is less of it than the authors have."""
    if authors is not None and ours < authors:
        yield Part(name, f"{ours:,d} of {authors:,d} {called or name}", ours / authors)


def _training(training: dict[str, Any], epochs: int) -> Iterator[Part]:
    yield from _short("epochs", training["epochs"], epochs)
    authors = Training(epochs=epochs)
    if training["batch_size"] != authors.batch_size:
        yield Part("batch", f"batches of {training['batch_size']:,d} instead of {authors.batch_size}")
    for name in ("learning_rate", "shuffle", "precision"):
        value = training.get(name, getattr(authors, name))
        if value != getattr(authors, name):
            yield Part(name, f"{name.replace('_', ' ')} {printable(str(value))[:40]}")


def _vae_gan(spec: dict[str, Any], epochs: int | None, full: int) -> Iterator[Part]:
    yield from _short("VAE-GAN epochs", spec["epochs"], epochs, "epochs of the VAE-GAN")
    if spec.get("n_train") is not None:
        yield from _short("VAE-GAN images", spec["n_train"], full, "images for it")


def _grid(results: Results) -> Iterator[Part]:
    fractions = results["fractions"]
    if len(fractions) < len(FRACTIONS):
        yield from _short("fractions", len(fractions), len(FRACTIONS))
    elif tuple(fractions) != FRACTIONS:
        yield Part("fractions", "other fractions")
    yield from _short("retrainings", results["n_seeds"], published.N_RETRAININGS)
    networks = results["networks"]
    standard = any(n["norm"] is None for n in networks)
    counts, totals = [], []
    for norm in NORMS:
        of_norm = {round(n["eps"], 6) for n in networks if n["norm"] == norm}
        theirs = {round(eps, 6) for eps in published.series(results["loss"], norm).eps if eps > 0}
        if of_norm:
            counts.append(len(of_norm & theirs) + standard)
            totals.append(len(theirs) + 1)
    if counts:
        least = counts.index(min(counts))
        yield from _short("networks", counts[least], totals[least], "networks a series")
    yield from _short("norms", len(counts), len(NORMS))
