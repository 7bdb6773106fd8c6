"""Section 2.1: are adversarial examples of robust networks nearer to the image manifold? Figures 1, 2 and 6."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from ..options import data_options, device_options, out_option, preset_option, store_option, variant_option
from ..run import RUN_OPTIONS, begin
from ..studies.estimate import sentence
from ..studies.manifold_work import Work
from ..studies.presets import SECTION_2_1, ManifoldStudy

DATASETS = ("mnist", "fashion_mnist", "cifar10")


@click.command("section-2-1")
@click.option(
    "--dataset",
    type=click.Choice([*DATASETS, "all"]),
    default="mnist",
    show_default=True,
    help="Which images; all: one data set after the other.",
)
@click.option(
    "--attack-loss",
    type=click.Choice(["xent", "cw"]),
    default="xent",
    show_default=True,
    help="What the analysed attacks maximise; the paper shows xent.",
)
@preset_option(
    "smoke: the packaged sample, offline; quick: a CPU's afternoon; paper: the authors' study, for GPUs.",
    SECTION_2_1,
)
@click.option(
    "--scale",
    type=click.Choice(["panel", "common"]),
    default="panel",
    show_default=True,
    help="What distance is 1: the farthest test image of each panel (the authors), or of all four.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be trained and how long it takes here, then stop.")
@variant_option
@out_option("figures")
@store_option
@data_options
@device_options
def command(
    dataset: str,
    attack_loss: str,
    preset: str,
    scale: str,
    dry_run: bool,
    variant: str,
    out: Path,
    data_dir: Path | None,
    offline: bool,
    **places: Any,
) -> None:
    """Figures 1, 2 and 6: how far adversarial examples lie from the image manifold.

    Trains a VAE-GAN, a standard network and twelve adversarially trained ones per data set, attacks them all with l2
    PGD of radius 12, and measures the distance of each adversarial example to its projection by the VAE-GAN. Writes, as
    .png, .pdf and .json, section_2_1_DATASET_LOSS (Figure 1), section_2_1_attacks_DATASET_LOSS (Figure 2),
    section_2_1_gradients_DATASET (Figure 6) and section_2_1_vae_gan_DATASET (what the VAE-GAN makes of images).
    """
    run = begin(out=out, variant=variant, preset=preset, **places)
    for name in DATASETS if dataset == "all" else (dataset,):
        work = Work(_study(preset, name, variant), run, attack_loss, data_dir=data_dir, offline=offline)
        if dry_run or preset == "paper":
            click.echo(sentence(work))
        if dry_run:
            continue
        paths = []
        for stem, figure, results in work.figures(scale):
            paths += run.save(stem, results, figure=figure)
        click.echo("wrote " + ", ".join(map(str, paths)))


def planned(
    *, dataset: str, attack_loss: str, preset: str, variant: str, data_dir: Path | None, offline: bool, **given: Any
) -> list[Work]:
    """The studies of these options, for `robint plan`."""
    run = begin(variant=variant, preset=preset, **{name: given[name] for name in RUN_OPTIONS})
    return [
        Work(_study(preset, name, variant), run, attack_loss, data_dir=data_dir, offline=offline)
        for name in (DATASETS if dataset == "all" else (dataset,))
    ]


def _study(preset: str, dataset: str, variant: str) -> ManifoldStudy:
    if dataset not in SECTION_2_1[preset]:
        raise click.UsageError(f"the preset {preset} has {', '.join(SECTION_2_1[preset])}, not {dataset}.")
    return replace(SECTION_2_1[preset][dataset], variant=variant)  # type: ignore[arg-type]
