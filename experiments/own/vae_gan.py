"""A VAE-GAN of a data set's training images, also of the user's own: `robint vae-gan train --data ...`."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from robint_tf.catalogue import DATASETS
from robint_tf.specs import MATHEMATICS, VAEGANSpec, as_dict

from ..options import RunOptions, run_options, variant_option
from ..parameters import Place, Range, Seed, writable_file
from ..parsing import parsed
from ..progress import wrapped
from ..run import begin, today
from .options import OwnDataOptions, own_data_options
from .training import refuse_to_replace

if TYPE_CHECKING:
    from robint_tf.data.datasets import Dataset, Split
    from robint_tf.manifold.distance import Health
    from robint_tf.recipes import TrainedVAEGAN
    from robint_tf.training.state import Position

SHEET_IMAGES = 10


@dataclass(frozen=True)
class Options:
    """Options of vae-gan. action: what to do; there is one thing."""

    action: str
    save: Path | None
    overwrite: bool
    bounds: tuple[float, float] | None
    epochs: int | None
    batch_size: int
    seed: int
    n_train: int | None
    n_test: int | None
    variant: str
    run: RunOptions
    data: OwnDataOptions

    @property
    def dataset(self) -> str:
        """What recipes call the data set. `BadParameter` for one without pixels."""
        name = self.data.name
        if name == "toy":
            raise click.BadParameter("toy has no pixels; choose a data set of images.", param_hint="'--dataset'")
        return name

    def path(self) -> Path:
        """The file that the VAE-GAN is saved in. `BadParameter` if Keras would not load it from there."""
        path = self.save or Path("models") / f"{self.dataset}_vae_gan.keras"
        if path.suffix != ".keras":
            raise click.BadParameter(f"{path} does not end in .keras.", param_hint="--save")
        return writable_file(path, ".json", ".png", ".pdf")

    def spec(self, shape: tuple[int, ...]) -> VAEGANSpec:
        """The VAE-GAN that is asked for: the data set's own where it has one, else that for its images' shape."""
        from robint_tf.networks.vae_gan_networks import settings_for, square_name

        info = DATASETS.get(self.dataset)
        architecture = (info and info.vae_gan) or square_name(shape)
        return VAEGANSpec(
            dataset=self.dataset,
            epochs=self.epochs or settings_for(architecture, self.variant).epochs,
            batch_size=self.batch_size,
            n_train=self.n_train,
            seed=self.seed,
            variant=self.variant,  # type: ignore[arg-type]
            architecture=architecture,
        )


@click.command("vae-gan")
@click.argument("action", type=click.Choice(["train"]))
@click.option("--save", type=Place(), help="File for the VAE-GAN.  [default: models/<dataset>_vae_gan.keras]")
@click.option("--overwrite", is_flag=True, help="Replace a file that holds another network.")
@click.option("--bounds", type=Range(), help="Pixel range of your own images that are not bytes.  [default: -1,1]")
@click.option("--epochs", type=click.IntRange(1), help="Epochs.  [default: the authors': 30, 60, 150]")
@click.option("--batch-size", type=click.IntRange(1), default=100, show_default=True, help="Images per batch.")
@click.option("--seed", type=Seed(), default=0, show_default=True, help="Seed of the weights and of the noise.")
@click.option("--n-train", type=click.IntRange(1), help="Train on the first images only.  [default: all]")
@click.option("--n-test", type=click.IntRange(2), help="Test on the first images only.  [default: all]")
@variant_option
@own_data_options("mnist, fashion-mnist, cifar10, or a sample: mnist-sample, ...")
@run_options
@parsed(Options)
def command(options: Options) -> None:
    """Train a VAE-GAN on images, whose manifold it then stands for in `robint distance`.

    Your own --data have square images of 28 to 64 pixels with 1 or 3 channels. Stopped, it continues; repeated, it
    trains nothing. Its file comes with a card (.json) and a figure of projections and samples. What is printed says
    whether it is good enough to measure distances by.
    """
    path = options.path()
    if options.data.own is not None and options.epochs is None:
        raise click.UsageError("nobody knows for how many epochs to train on your data; give --epochs.")
    run = begin(options.run, variant=options.variant)
    loaded = options.data.read(n_train=options.n_train, n_test=options.n_test, bounds=options.bounds)
    refuse_one_image(loaded.test, loaded)
    spec = options.spec(loaded.train.x.shape[1:])
    recipe = {
        "mathematics": MATHEMATICS,
        "spec": as_dict(spec),
        "bounds": (-1, 1),
        "train_data": loaded.train.fingerprint.as_json(),
    }
    refuse_to_replace(path, recipe, overwrite=options.overwrite)
    from robint_tf import manifold, recipes
    from robint_tf.networks.files import cards, vae_gans
    from robint_tf.paper.figures import plots
    from robint_tf.store import results

    trained_now = False

    def progress(position: "Position") -> None:
        nonlocal trained_now
        trained_now = True
        run.display.training(position)

    run.display.begin(f"training {path.name} on {len(loaded.train.y)} images")
    trained = recipes.trained_vae_gan(spec, loaded, run.store, progress=progress)
    run.display.end()
    project = manifold.Projector(trained.model, z="mean")
    health = manifold.health(loaded.test.x, project, trained.losses["discriminator"][-1])
    card = {
        "figure": "vae_gan",
        "date": today(),
        "provenance": run.provenance(),
        **recipe,
        "dataset": options.data.own or loaded.name,
        "data_source": loaded.source,
        "data_order": loaded.order,
        "test_data": loaded.test.fingerprint.as_json(),
        "vae_gan": as_dict(spec),
        **_sheet(trained, loaded, health),
    }
    vae_gans.save(trained.model, path, card)
    written = [path, cards.card_path(path), *plots.draw(results.read(cards.card_path(path)), path.with_suffix(""))]
    if not trained_now:
        click.echo(f"this VAE-GAN was trained before; taken from {run.store.root}")
    print_health(health)
    click.echo("wrote " + ", ".join(map(str, written)))


def _sheet(trained: "TrainedVAEGAN", loaded: "Dataset", health: "Health") -> dict[str, Any]:
    """What the VAE-GAN makes of test images and of noise, and whether it has collapsed."""
    from robint_tf import manifold
    from robint_tf.store import results

    shown = loaded.test.x[:SHEET_IMAGES]
    rows = {
        "test image": shown,
        "projection\n(random z)": manifold.Projector(trained.model)(shown),
        "projection\n(mean z)": manifold.Projector(trained.model, z="mean")(shown),
        "sample": trained.model.sample(len(shown)).numpy(),
    }
    return {
        "losses": {part: results.rounded(losses, 4) for part, losses in trained.losses.items()},
        "health": as_json(health),
        "problems": health.problems,
        "rows": [{"name": name, "images": results.packed(images)} for name, images in rows.items()],
    }


def refuse_one_image(test: "Split", loaded: "Dataset") -> None:
    """`UsageError` for test images of a data set by which no VAE-GAN can be judged."""
    if len(test.y) < 2:
        raise click.UsageError(f"{loaded.source} has one test image; at least two are needed to judge a VAE-GAN by.")


def as_json(health: "Health") -> dict[str, float | None]:
    """The numbers of a VAE-GAN's health; None for what equal images leave open."""
    return {name: v if v is not None and math.isfinite(v) else None for name, v in vars(health).items()}


def warn_of_problems(file: Path, content: dict[str, Any]) -> None:
    """Print a warning if the results of a file come from what cannot stand for the manifold."""
    if content.get("problems"):
        click.echo(
            f"Warning: {file}: its VAE-GAN or projector cannot stand for the manifold; distances to it and measures "
            "along it are not valid.",
            err=True,
        )


def print_health(health: "Health") -> None:
    """Print how good a VAE-GAN is, and why it cannot stand for the manifold if it cannot."""
    told = (
        f"mean distance of test images to their projections {health.error:.2f}, to the mean image "
        f"{health.constant_error:.2f}: {health.nearness}; spread {health.spread:.2f} of the images'"
    )
    click.echo(wrapped(told))
    if health.problems:
        click.echo("too poor to measure anything: this VAE-GAN cannot stand for the manifold:")
    for problem in health.problems:
        click.echo(wrapped(f"  {problem}", "    "))
