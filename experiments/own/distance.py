"""How far from the data adversarial examples of one's own classifiers lie: `robint distance MODEL --vae-gan ...`."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from robint_tf.specs import PGD

from ..options import AttackOptions, RunOptions, attack_options, bounds_option, run_options
from ..parameters import NewFile, Place
from ..parsing import parsed
from ..progress import wrapped
from ..run import Run, begin, sha256, today
from .options import OwnDataOptions, own_data_options
from .vae_gan import as_json, print_health, refuse_one_image

if TYPE_CHECKING:
    import numpy as np

    from robint_tf.data.datasets import Dataset
    from robint_tf.manifold.distance import Health, Projector

CLEAN = "test images"


@dataclass(frozen=True)
class Options:
    """Options of distance."""

    models: tuple[Path, ...]
    vae_gan: Path
    bounds: tuple[float, float] | None
    eps: float | None
    attack: AttackOptions
    n_test: int | None
    batch_size: int
    json_path: Path | None
    run: RunOptions
    data: OwnDataOptions

    def pgd(self) -> PGD:
        """The attack. `UsageError` without --eps."""
        if self.eps is None:
            raise click.UsageError("no attack is described; give --eps, and with it the distance of clean images, too.")
        return self.attack.attack(self.eps)

    def names(self) -> dict[str, Path]:
        """The files of the networks by what tables call them. `UsageError` if one is named twice."""
        stems = [path.stem for path in self.models]
        names = {path.stem if stems.count(path.stem) == 1 else str(path): path for path in self.models}
        if len(names) < len(self.models) or CLEAN in names:
            raise click.UsageError("one MODEL is named twice; name each file once.")
        return names


@click.command("distance")
@click.argument("models", metavar="MODEL...", nargs=-1, required=True, type=Place())
@click.option("--vae-gan", required=True, type=Place(), help="File of a VAE-GAN that `robint vae-gan train` has saved.")
@bounds_option
@attack_options()
@click.option("--n-test", type=click.IntRange(2), help="Use the first test images only.  [default: all]")
@click.option("--batch-size", type=click.IntRange(1), default=500, show_default=True, help="Images per batch.")
@click.option("--json", "json_path", type=NewFile(".json"), help="Also write numbers to this file, a figure beside it.")
@own_data_options("mnist, fashion-mnist, cifar10, or a sample: mnist-sample, ...")
@run_options
@parsed(Options)
def command(options: Options) -> None:
    """How far test images, clean and attacked on each MODEL, lie from the manifold for which a VAE-GAN stands.

    The distance is that to the reconstruction from the latent mean, l2 over [-1, 1] pixels; an attack counts if it
    changed the prediction of the network it is on. With several MODELs, each further one is compared with the first on
    the same images. All take the same --bounds. Where the VAE-GAN is too poor, it says so, and gives no verdict.
    """
    attack, files = options.pgd(), options.names()
    _ = options.data.name  # refused before TensorFlow starts
    run = begin(options.run)
    loaded = options.data.read(bounds=options.bounds)
    from robint_tf import manifold
    from robint_tf.networks.files import vae_gans
    from robint_tf.study.given import from_file

    test = loaded.test.take(options.n_test)
    refuse_one_image(test, loaded)
    saved = vae_gans.load(options.vae_gan, x_shape=test.x.shape[1:])
    networks = {name: from_file(path, loaded, options.bounds) for name, path in files.items()}
    other_data = trained_on_others(saved.train_data, loaded, saved.spec.n_train)
    project = manifold.Projector(saved.model, z="mean")
    health = manifold.health(test.x, project, saved.discriminator_loss, batch_size=options.batch_size)
    measured = {
        name: _measured(name, network, test.x, test.y, attack, project, options.batch_size, run)
        for name, network in networks.items()
    }
    run.display.end()
    clean = manifold.distances(project, test.x, batch_size=options.batch_size)
    content = {"figure": "distances_by_network", "attack": str(attack), **_content(clean, measured, health)}
    if other_data:
        click.echo(other_data, err=True)
    _print(content, health)
    if options.json_path is not None:
        about = {
            "date": today(),
            "provenance": run.provenance(),
            "vae_gan": {"file": options.vae_gan.name, "model_sha256": sha256(options.vae_gan)},
            "models": [{"name": name, "file": path.name, "model_sha256": sha256(path)} for name, path in files.items()],
            "bounds": options.bounds or (-1, 1),
            "dataset": loaded.source,
            "test_data": test.fingerprint.as_json(),
        }
        _write({**content, **about}, options.json_path)


def trained_on_others(train_data: dict[str, Any] | None, loaded: "Dataset", n_train: int | None) -> str:
    """A warning, if the VAE-GAN's file names other images than the data's training images."""
    n = min(n_train or len(loaded.train.y), len(loaded.train.y))
    if train_data is None or train_data.get("sha256") == loaded.train.take(n).fingerprint.sha256:
        return ""
    return "Warning: the VAE-GAN was trained on other images than the training images of these data."


def _measured(
    name: str, network: Any, x: "np.ndarray", y: "np.ndarray", attack: PGD, project: "Projector", n: int, run: Run
) -> "tuple[np.ndarray, np.ndarray]":
    """Distances of attacked images, (N,), and which attacks changed the network's prediction; n: images at a time."""
    from robint_tf import attacks, manifold
    from robint_tf.attacks.evaluation import warn_of_guessing

    run.display.begin(f"attacking {name}")
    found = attacks.attack_dataset(network, x, y, attack, batch_size=n, progress=run.display.batches)
    warn_of_guessing(found.clean_logits, y)
    distances = manifold.distances(project, found.x_adv, batch_size=n)
    return distances, manifold.changed(found.clean_logits, found.logits)


def _content(clean: "np.ndarray", measured: dict[str, Any], health: "Health") -> dict[str, Any]:
    """The numbers, and what the figure is drawn from."""
    from robint_tf import manifold
    from robint_tf.study.packing import packed

    (first, (theirs, theirs_changed)), *_ = measured.items()
    rows = []
    for name, (distances, changed) in measured.items():
        row: dict[str, Any] = {"name": name, **_mean(distances[changed]), "nearer_than": None}
        if name != first:
            found = manifold.nearer(distances, theirs, changed & theirs_changed)
            if found is not None and not health.problems:
                row["nearer_than"] = {
                    "first": first,
                    "n": found.n,
                    "share": found.share,
                    "share_interval": list(found.interval),
                }
        rows.append(row)
    return {
        "projection": "mean",
        "judged_by": "attacked network",
        "n_attacked": len(clean),
        "health": as_json(health),
        "problems": health.problems,
        "clean": _mean(clean),
        "networks": rows,
        "plot": packed({CLEAN: clean, **{name: values[changed] for name, (values, changed) in measured.items()}}),
    }


def _mean(values: "np.ndarray") -> dict[str, Any]:
    """How many there are, their mean and its interval; None for none, and for the interval of one."""
    from robint_tf.manifold.gradients import Measure

    if not len(values):
        return {"n": 0, "mean": None, "mean_interval": None}
    interval = list(Measure(values).interval()) if len(values) > 1 else None
    return {"n": len(values), "mean": float(values.mean()), "mean_interval": interval}


def _print(content: dict[str, Any], health: "Health") -> None:
    """The table, or only which attacks succeeded where the VAE-GAN has problems."""
    click.echo(wrapped(f"attacked by {content['attack']}; {content['n_attacked']} test images"))
    print_health(health)
    if health.discriminator_loss is None:
        click.echo("its card is not beside it, so whether its discriminator has collapsed is not known")
    if content["problems"]:
        counts = ", ".join(f"{row['name']} {row['n']}" for row in content["networks"])
        click.echo(wrapped(f"no verdict on distances; successful attacks on {counts}"))
        return
    click.echo(f"\n{'':26} {'n':>6} {'d_pi':>7}  {'95% interval':16}  nearer than {content['networks'][0]['name']}")
    for row in ({"name": CLEAN, **content["clean"]}, *content["networks"]):
        if row["mean"] is None:
            click.echo(f"{row['name']:26} {0:6} {'-':>7}")
            continue
        interval = "{:.2f} to {:.2f}".format(*row["mean_interval"]) if row["mean_interval"] else "-"
        share = row.get("nearer_than")
        nearer = ""
        if share:
            ends = "{:.1%} to {:.1%}".format(*share["share_interval"])
            nearer = f"  {share['share']:.1%} ({ends}) of {share['n']}"
        click.echo(f"{row['name']:26} {row['n']:6} {row['mean']:7.2f}  {interval:16}{nearer}".rstrip())


def _write(content: dict[str, Any], path: Path) -> None:
    """The results file, and the figure beside it."""
    from robint_tf.paper.figures import plots
    from robint_tf.store import results

    results.write(path, content)
    written = [path, *plots.draw(results.read(path), path.with_suffix(""))]
    click.echo("wrote " + ", ".join(map(str, written)))
