"""Train one classifier and save it with its card."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from robint_tf.specs import MATHEMATICS, ClassifierSpec, as_dict

from ..options import (
    AttackOptions,
    RunOptions,
    TrainingOptions,
    attack_options,
    refuse_attack_without_eps,
    refuse_trades,
    run_options,
    saved_bounds_option,
    trades_option,
    training_options,
    variant_option,
)
from ..own.options import OwnDataOptions, own_data_options
from ..own.training import PLACEHOLDER, fresh, in_bounds, refuse, refuse_to_replace
from ..parameters import Folder, Place, writable_file
from ..parsing import Placement, parsed
from ..run import begin, today

if TYPE_CHECKING:
    from robint_tf.training.state import Position


@dataclass(frozen=True)
class Options:
    """Options of train."""

    model: Path | None
    save: Path | None
    overwrite: bool
    bounds: tuple[float, float] | None
    eps: float | None
    attack: AttackOptions
    trades: float | None
    training: TrainingOptions
    n_train: int | None
    n_test: int | None
    variant: str
    tensorboard: Path | None
    run: RunOptions
    data: OwnDataOptions

    def spec(self, dataset: str) -> ClassifierSpec:
        """The network that is asked for."""
        refuse(self.data.own is not None, self.model, self.training.epochs)
        refuse_trades(self.trades, self.eps)
        if self.eps is None:
            refuse_attack_without_eps("a standard network is trained")
        return ClassifierSpec(
            dataset=dataset,
            training=self.training.training(dataset),
            attack=None if self.eps is None else self.attack.attack(self.eps, self.variant),
            n_train=self.n_train,
            variant=self.variant,  # type: ignore[arg-type]
            architecture=PLACEHOLDER if self.data.own is not None else "",
            trades=self.trades,
        )

    def path(self, spec: ClassifierSpec) -> Path:
        """The file that the network is saved in. `BadParameter` if Keras would not load it from there."""
        attack = spec.attack
        objective = attack and (attack.loss if spec.trades is None else f"trades_{spec.trades:g}")
        label = "standard" if attack is None else f"{attack.norm}_{attack.eps:g}_{objective}"
        path = self.save or Path("models") / f"{spec.dataset}_{label}.keras"
        if path.suffix != ".keras":
            raise click.BadParameter(f"{path} does not end in .keras.", param_hint="--save")
        return writable_file(path, ".json")


@click.command("train")
@click.argument("model", type=Place(), required=False)
@click.option("--save", type=Place(), help="File for the network.  [default: models/<dataset>_<attack>.keras]")
@click.option("--overwrite", is_flag=True, help="Replace a file that holds another network.")
@saved_bounds_option
@attack_options()
@trades_option
@training_options
@click.option("--n-train", type=click.IntRange(1), help="Train on the first images only.  [default: all]")
@click.option("--n-test", type=click.IntRange(1), help="Test on the first images only.  [default: all]")
@variant_option
@click.option("--tensorboard", cls=Placement, type=Folder(), help="Folder for TensorBoard.")
@own_data_options("toy, mnist, fashion-mnist, cifar10, or a sample: mnist-sample, ...")
@run_options
@parsed(Options)
def command(options: Options) -> None:
    """Train a classifier. With --eps it is trained on adversarial images only, as the paper does, or by --trades.

    The defaults are the authors' training. Stopped, it continues; repeated, it trains nothing. A file is replaced only
    if it names the same recipe, data and mathematics. With --data a network like that in MODEL is trained, afresh.
    """
    spec, own = options.spec(options.data.name), options.data.own is not None
    path, bounds = options.path(spec), options.bounds
    recipe = {"mathematics": MATHEMATICS, "spec": as_dict(spec), "bounds": bounds or (-1, 1)}
    if not own:  # of which the network is to be read first
        refuse_to_replace(path, recipe, overwrite=options.overwrite)

    run = begin(options.run, variant=options.variant)
    loaded = options.data.read(n_train=options.n_train, n_test=options.n_test, bounds=bounds)
    network, spec = fresh(options.model, spec, loaded, bounds) if own and options.model else (None, spec)
    recipe |= {"spec": as_dict(spec), "train_data": loaded.train.fingerprint.as_json()}
    refuse_to_replace(path, recipe, overwrite=options.overwrite)
    from robint_tf import recipes
    from robint_tf.attacks import evaluation
    from robint_tf.networks.files import cards, models

    trained_now = False

    def progress(position: "Position") -> None:
        nonlocal trained_now
        trained_now = True
        run.display.training(position)

    run.display.begin(f"training {path.name} on {len(loaded.train.x)} images")
    trained = recipes.classifier(
        spec, loaded, run.store, network=network, progress=progress, log_dir=options.tensorboard
    )
    run.display.end()
    clean = evaluation.accuracy(trained.network, loaded.test.x, loaded.test.y)
    card = {
        "figure": None,
        "date": today(),
        "provenance": run.provenance(),
        **recipe,
        "test_data": loaded.test.fingerprint.as_json(),
        "test_data_verified": loaded.verified,
        "test_images_verified": loaded.verified_test,
        "data_source": loaded.source,
        "data_order": loaded.order,
        "epoch_loss": trained.epoch_loss,
        "epoch_accuracy": trained.epoch_accuracy,
        "clean_accuracy": {"value": clean.value, "n": clean.n, "interval_95": clean.interval, "loss": clean.loss},
    }
    models.save(in_bounds(trained.network, bounds), path, card)
    if trained_now:
        for epoch, (loss, hits) in enumerate(zip(trained.epoch_loss, trained.epoch_accuracy, strict=True), 1):
            click.echo(f"epoch {epoch}: loss {loss:.4f}, accuracy {hits:.2%} on the images trained on")
    elif spec.training.epochs:
        click.echo(f"this network was trained before; taken from {run.store.root}")
    click.echo(f"clean accuracy {clean}")
    click.echo(f"wrote {path} and {cards.card_path(path)}")
