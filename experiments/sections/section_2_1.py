"""Section 2.1: are adversarial examples of robust networks nearer to the image manifold? Figures 1, 2 and 6."""

from dataclasses import dataclass, replace
from pathlib import Path

import click

from ..options import DataOptions, RunOptions, data_options, out_option, preset_option, run_options, variant_option
from ..parameters import DatasetName
from ..parsing import parsed
from ..run import Run, begin
from ..studies.estimate import estimate
from ..studies.manifold import ManifoldRunner
from ..studies.presets import SECTION_2_1, ManifoldStudy

DATASETS = ("mnist", "fashion_mnist", "cifar10")


@dataclass(frozen=True)
class Options:
    """Options of section-2-1."""

    dataset: str
    attack_loss: str
    preset: str
    scale: str
    dry_run: bool
    variant: str
    out: Path
    run: RunOptions
    data: DataOptions

    def runner(self, dataset: str, run: Run) -> ManifoldRunner:
        """The section on one data set."""
        study = study_of(self.preset, dataset, self.variant)
        return ManifoldRunner(study, run, self.attack_loss, data_dir=self.data.data_dir, offline=self.data.offline)

    @property
    def datasets(self) -> tuple[str, ...]:
        """Those that were chosen."""
        return DATASETS if self.dataset == "all" else (self.dataset,)


@click.command("section-2-1")
@click.option(
    "--dataset",
    type=DatasetName(*DATASETS, "all"),
    default="mnist",
    show_default=True,
    help="mnist, fashion-mnist or cifar10; all: one after the other.",
)
@click.option(
    "--attack-loss",
    type=click.Choice(["xent", "cw"], case_sensitive=False),
    default="xent",
    show_default=True,
    help="What the analysed attacks maximise; the paper shows xent.",
)
@preset_option(
    "smoke: the packaged sample, offline; quick: an afternoon on a CPU; paper: the authors' study, for GPUs.",
    SECTION_2_1,
)
@click.option(
    "--scale",
    type=click.Choice(["panel", "common"], case_sensitive=False),
    default="panel",
    show_default=True,
    help="What distance is 1: the farthest test image of each panel (the authors), or of all four.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be trained and how long it takes here, then stop.")
@variant_option
@out_option("figures")
@run_options
@data_options
@parsed(Options)
def command(options: Options) -> None:
    """Figures 1, 2 and 6: how far adversarial examples lie from the image manifold.

    Trains a VAE-GAN, a standard network and twelve adversarially trained ones per data set, attacks them all with l2
    PGD of radius 12, and measures the distance of each adversarial example to its projection by the VAE-GAN. Writes, as
    .png, .pdf and .json, section_2_1_DATASET_LOSS (Figure 1), section_2_1_attacks_DATASET_LOSS (Figure 2),
    section_2_1_gradients_DATASET (Figure 6) and section_2_1_vae_gan_DATASET (what the VAE-GAN makes of images).
    """
    run = begin(options.run, out=options.out, variant=options.variant, preset=options.preset)
    for dataset in options.datasets:
        runner = options.runner(dataset, run)
        if options.dry_run or options.preset == "paper":
            click.echo(estimate(runner).sentence())
        if options.dry_run:
            continue
        paths = []
        for stem, figure, content in runner.figures(options.scale):
            paths += run.save(stem, content, figure=figure)
        click.echo("wrote " + ", ".join(map(str, paths)))


def planned(options: Options) -> list[ManifoldRunner]:
    """The studies of these options, for `robint plan`."""
    run = begin(options.run, variant=options.variant, preset=options.preset)
    return [options.runner(dataset, run) for dataset in options.datasets]


def study_of(preset: str, dataset: str, variant: str) -> ManifoldStudy:
    """The preset's study of a data set. `UsageError` if the preset has none of it."""
    if dataset not in SECTION_2_1[preset]:
        raise click.UsageError(f"the preset {preset} has {', '.join(SECTION_2_1[preset])}, not {dataset}.")
    return replace(SECTION_2_1[preset][dataset], variant=variant)  # type: ignore[arg-type]
