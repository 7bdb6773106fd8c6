"""How the loss gradients of a user's own classifier lie to the data: `robint gradients MODEL --data ...`."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..options import RunOptions
from ..parsing import was_given
from ..progress import wrapped
from ..run import begin, sha256, today
from .distance import trained_on_others
from .options import OwnDataOptions
from .vae_gan import as_json, print_health, refuse_one_image

if TYPE_CHECKING:
    from robint_tf.study.gradients import Gradients

VARIANT = "corrected"
"""Of J, as for the networks of section 2.1: the same cross entropy, whose gradient survives where they are sure."""
MOST = 1000
"""Test images unless told otherwise: intervals are narrow enough, and tangent spaces cost a derivative a dimension."""
CHOICES = {"own": "--data", "vae_gan": "--vae-gan", "bounds": "--bounds", "seed": "--seed"}
"""Options that say something of one's own network only."""


@dataclass(frozen=True)
class Plan:
    """What is measured: options of `robint gradients`."""

    model: Path
    vae_gan: Path | None
    bounds: tuple[float, float] | None
    n_test: int | None
    seed: int
    variant: str | None
    out: Path


def refuse(model: Path | None) -> None:
    """`UsageError` for an option of the study's networks beside one's own, and the other way round."""
    ctx = click.get_current_context()
    given = {param.name for param in ctx.command.params if was_given(ctx, param)}
    if model is not None and "preset" in given:
        raise click.UsageError(f"--preset is of the networks of section-2-1; leave it out, or {model}.")
    for name in CHOICES:
        if model is None and name in given:
            raise click.UsageError(
                f"{CHOICES[name]} is of your own network; add its file, robint gradients MODEL.keras, or leave it out."
            )


def gradients(plan: Plan, options: RunOptions, place: OwnDataOptions) -> None:
    """Measure what the store lacks, print means and intervals, write results and their figure."""
    _ = place.name_of_images  # refused before TensorFlow starts
    variant = plan.variant or VARIANT
    run = begin(options, out=plan.out, variant=variant)
    loaded = place.read(bounds=plan.bounds)
    from robint_tf import manifold
    from robint_tf.attacks import evaluation
    from robint_tf.networks import classifiers
    from robint_tf.networks.files import models, vae_gans
    from robint_tf.study.gradients import MOST_VALUES, measures_of

    shape, n_classes = loaded.test.x.shape[1:], len(loaded.class_names)
    test = loaded.test.take(min(plan.n_test or MOST, len(loaded.test.y)))
    saved = vae_gans.load(plan.vae_gan, x_shape=shape) if plan.vae_gan else None
    if saved:
        refuse_one_image(test, loaded)
    network = models.load(plan.model, x_shape=shape, n_classes=n_classes, bounds=plan.bounds)
    accuracy = evaluation.accuracy(network, test.x, test.y)
    fits = loaded.train.x[0].size <= MOST_VALUES
    run.display.begin(f"gradients of {plan.model.name} at {len(test.y)} images")
    found = measures_of(
        network,
        test.x,
        vae_gan=saved.model if saved else None,
        train=loaded.train.x if fits else None,
        variant=variant,  # type: ignore[arg-type]
        seed=plan.seed,
        store=run.store,
        progress=run.display.batches,
    )
    run.display.end()
    about: dict[str, Any] = {
        "date": today(),
        "model": plan.model.name,
        "model_sha256": sha256(plan.model),
        "network_sha256": classifiers.fingerprint(network),
        "bounds": plan.bounds or (-1, 1),
        "dataset": loaded.name,
        "data_source": loaded.source,
        "train_data": loaded.train.fingerprint.as_json() if fits else None,
        "test_data": test.fingerprint.as_json(),
        "accuracy": accuracy.value,
        "seed": plan.seed,
        "vae_gan": None,
    }
    click.echo(
        f"{plan.model.name}: loss gradients at {len(test.y)} test images, of which it gets {accuracy.value:.2%} right"
    )
    if saved and plan.vae_gan:
        health = manifold.health(test.x, manifold.Projector(saved.model, z="mean"), saved.discriminator_loss)
        found = replace(found, problems=tuple(health.problems))
        about["vae_gan"] = {"file": plan.vae_gan.name, "model_sha256": sha256(plan.vae_gan), "health": as_json(health)}
        if told := trained_on_others(saved.train_data, loaded, saved.spec.n_train):
            click.echo(told, err=True)
        print_health(health)
    print_table(found)
    if not fits:
        click.echo(
            wrapped(
                f"no rare share: an image has {loaded.train.x[0].size} values, directions of least variance are "
                f"found for up to {MOST_VALUES}"
            )
        )
    paths = run.save(f"gradient_measures_{plan.model.stem}", {**about, **found.content()}, figure=found.figure)
    click.echo("wrote " + ", ".join(map(str, paths)))


def print_table(found: "Gradients") -> None:
    """Print means, intervals, and what a random direction would have; no numbers of a VAE-GAN that has problems."""
    from robint_tf.study.gradients import ALONG

    click.echo(f"\n{'':20}{'mean':>8}  {'95% interval':18}{'by chance':>9}")
    for row in found.scores():
        ends = "-" if row["low"] is None else f"{row['low']:.3f} to {row['high']:.3f}"
        mean, chance = ("-" if row[key] is None else f"{row[key]:.3f}" for key in ("mean", "chance"))
        if found.problems and row["measure"] in ALONG:
            mean, ends = "-", "not valid"
        click.echo(f"{row['measure'].replace('_', ' '):20}{mean:>8}  {ends:18}{chance:>9}")
    if (rank := found.rank()) is not None:
        click.echo(f"dimensions of the tangent spaces: {rank['mean']:.1f} on average, {rank['least']:.0f} at least")
