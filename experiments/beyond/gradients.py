"""Do loss gradients of robust networks lie along the data manifold? Measured without retraining."""

from dataclasses import dataclass
from pathlib import Path

import click

from ..options import DataOptions, RunOptions, data_options, out_option, preset_option, run_options, variant_option
from ..parameters import DatasetName
from ..parsing import parsed
from ..run import begin
from ..sections.section_2_1 import DATASETS, study_of
from ..studies.presets import SECTION_2_1
from .gradient_study import GradientRunner, print_table

MOST = 1000
"""Test images unless told otherwise: intervals are narrow enough, and tangent spaces cost a derivative a dimension."""


@dataclass(frozen=True)
class Options:
    """Options of gradients."""

    dataset: str
    preset: str
    n_test: int | None
    variant: str
    out: Path
    run: RunOptions
    data: DataOptions


@click.command("gradients")
@click.option(
    "--dataset",
    type=DatasetName(*DATASETS),
    default="mnist",
    show_default=True,
    help="mnist, fashion-mnist or cifar10.",
)
@preset_option(
    "smoke: the packaged sample, offline; quick: an afternoon on a CPU; paper: the authors' networks, for GPUs.",
    SECTION_2_1,
)
@click.option(
    "--n-test", type=click.IntRange(1), help=f"Test images to measure at.  [default: the preset's, {MOST:,} at most]"
)
@variant_option
@out_option("figures")
@run_options
@data_options
@parsed(Options)
def command(options: Options) -> None:
    """How the loss gradients of section-2-1's networks lie to the image manifold, without retraining.

    With the networks and the VAE-GAN of section-2-1, trained where the store lacks them: the tangent share of the
    gradient, |QQ'g| / |g| with Q a basis of the tangent space of the decoder (by chance sqrt(k / d); Bordt et al.,
    2022: 0.31 for a standard network and 0.675 for a robust one on a manifold that they know); the change of the
    softmax along directions off the manifold over that on it (Srinivas et al., 2023); and the share of |g|² in the
    directions that hold the last percent of the images' variance, which is section 2.2's tilt on real data. Writes
    gradients_DATASET.png, .pdf and .json.
    """
    study = study_of(options.preset, options.dataset, options.variant)
    run = begin(options.run, out=options.out, variant=options.variant, preset=options.preset)
    runner = GradientRunner(study, run, "xent", data_dir=options.data.data_dir, offline=options.data.offline)
    content = runner.results(options.n_test or min(study.n_test or MOST, MOST))
    paths = run.save(f"gradients_{options.dataset}", content, figure="gradients")
    print_table(content)
    click.echo("wrote " + ", ".join(map(str, paths)))
