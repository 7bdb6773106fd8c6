"""Do loss gradients of robust networks lie along the data manifold? Measured without retraining."""

from dataclasses import dataclass
from pathlib import Path

import click

from robint_tf.specs import VARIANTS

from ..options import RunOptions, bounds_option, out_option, preset_option, run_options
from ..own.gradients import MOST, VARIANT, Plan, gradients, refuse
from ..own.options import OwnDataOptions, own_data_options
from ..parameters import Place, Seed
from ..parsing import parsed, read
from ..run import begin
from ..sections.section_2_1 import DATASETS, study_of
from ..studies.presets import SECTION_2_1
from .gradient_study import GradientRunner, print_table


@dataclass(frozen=True)
class Options:
    """Options of gradients."""

    model: Path | None
    vae_gan: Path | None
    bounds: tuple[float, float] | None
    preset: str
    n_test: int | None
    seed: int
    variant: str | None
    out: Path
    run: RunOptions
    data: OwnDataOptions

    @property
    def dataset(self) -> str:
        """One of section 2.1. `BadParameter` for another."""
        name = self.data.name
        if name not in DATASETS:
            raise click.BadParameter(
                f"{name!r} has no networks of section-2-1; choose one of {', '.join(DATASETS)}, or name your own "
                "network: robint gradients MODEL.keras.",
                param_hint="'--dataset'",
            )
        return name


@click.command("gradients")
@click.argument("model", type=Place(), required=False)
@click.option("--vae-gan", type=Place(), help="For MODEL: file of a VAE-GAN that `robint vae-gan train` has saved.")
@bounds_option
@preset_option(
    "smoke: the packaged sample, offline; quick: an afternoon on a CPU; paper: the authors' networks, for GPUs.",
    SECTION_2_1,
)
@click.option(
    "--n-test", type=click.IntRange(1), help=f"Test images to measure at.  [default: the preset's, {MOST:,} at most]"
)
@click.option(
    "--seed", type=Seed(), default=0, show_default=True, help="For MODEL: of directions along and across the manifold."
)
@click.option(
    "--variant",
    type=click.Choice(VARIANTS, case_sensitive=False),
    help=f"Of section-2-1's networks, or of the loss of MODEL.  [default: authors; with MODEL {VARIANT}]",
)
@out_option("figures")
@run_options
@own_data_options("mnist, fashion-mnist or cifar10; with MODEL also a sample.", default="mnist")
@parsed(Options)
def command(options: Options) -> None:
    """How loss gradients lie to the image manifold, without retraining: of section-2-1's networks, or of your own.

    With the networks and the VAE-GAN of section-2-1, trained where the store lacks them: the tangent share of the
    gradient, |QQ'g| / |g| with Q a basis of the tangent space, the range of the decoder's Jacobian (by chance
    sqrt(k / d), k its rank; Bordt et al., 2022: 0.31 for a standard network and 0.675 for a robust one on a manifold
    that they know); the change of the softmax along directions off the manifold over that on it (Srinivas et al.,
    2023); and the share of |g|² in the directions that hold the last percent of the images' variance, which is section
    2.2's tilt on real data. Writes gradients_DATASET.png, .pdf and .json.

    With the classifier in the file MODEL: the last of these, how sparse its gradients are (Gini index) and how smooth
    (Moran's I); with --vae-gan also those that need a manifold. Writes gradient_measures_MODEL.png, .pdf and .json.
    """
    refuse(options.model)
    if options.model is not None:
        gradients(read(Plan, vars(options)), options.run, options.data)
        return
    variant = options.variant or "authors"
    study = study_of(options.preset, options.dataset, variant)
    run = begin(options.run, out=options.out, variant=variant, preset=options.preset)
    runner = GradientRunner(study, run, "xent", data_dir=options.data.data_dir, offline=options.data.offline)
    content = runner.results(options.n_test or min(study.n_test or MOST, MOST))
    paths = run.save(f"gradients_{options.dataset}", content, figure="gradients")
    print_table(content)
    click.echo("wrote " + ", ".join(map(str, paths)))
