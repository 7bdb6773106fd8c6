"""Train one classifier and save it with its card."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from robint_tf.specs import ClassifierSpec, Training, as_dict

from ..options import (
    ATTACK_OPTIONS,
    Amount,
    Folder,
    Place,
    Range,
    Seed,
    attack_from,
    attack_options,
    data_options,
    device_options,
    precision_option,
    refuse_attack_without_eps,
    store_option,
    variant_option,
    writable_file,
)
from ..run import begin, today
from ..studies.presets import epochs_of

if TYPE_CHECKING:
    from robint_tf.training.state import Position


@click.command("train")
@click.option("--dataset", required=True, help="toy, mnist, fashion-mnist, cifar10, or a sample: mnist-sample, ...")
@click.option("--save", type=Place(), help="Where to.  [default: models/<dataset>_<attack>.keras]")
@click.option("--overwrite", is_flag=True, help="Replace a file that holds another network.")
@click.option(
    "--bounds",
    type=Range(),
    help="Of the pixels that the saved network takes, such as 0,255; training is the same.  [default: -1,1]",
)
@attack_options()
@click.option("--epochs", type=click.IntRange(0), help="[default: the authors', 10 toy, 5 MNIST, 20 CIFAR-10]")
@click.option("--batch-size", type=click.IntRange(1), default=100, show_default=True)
@click.option("--learning-rate", type=Amount(), default=1e-3, show_default=True)
@click.option("--shuffle", is_flag=True, help="Visit the images in a new order every epoch (the authors: no).")
@click.option("--seed", type=Seed(), default=0, show_default=True, help="Of weights and order.")
@click.option("--n-train", type=click.IntRange(1), help="Use the first images only.  [default: all]")
@click.option("--n-test", type=click.IntRange(1), help="Test on the first images only.  [default: all]")
@precision_option
@variant_option
@click.option("--tensorboard", type=Folder(), help="Folder for TensorBoard.")
@data_options
@store_option
@device_options
def command(
    dataset: str,
    save: Path | None,
    overwrite: bool,
    bounds: tuple[float, float] | None,
    eps: float | None,
    epochs: int | None,
    n_train: int | None,
    n_test: int | None,
    variant: str,
    tensorboard: Path | None,
    data_dir: Path | None,
    offline: bool,
    **options: Any,
) -> None:
    """Train a classifier. With --eps it is trained on adversarial images only, as the paper does.

    The defaults are the authors' training. Stopped, the same command continues; repeated, it trains nothing.
    """
    from robint_tf import data

    name = data.canonical_name(dataset)
    chosen = {key: options.pop(key) for key in ATTACK_OPTIONS}
    if eps is None:
        refuse_attack_without_eps(click.get_current_context(), "a standard network is trained")
    attack = None if eps is None else attack_from(eps, variant=variant, **chosen)
    training_names = ("batch_size", "learning_rate", "shuffle", "seed", "precision")
    spec = ClassifierSpec(
        dataset=name,
        training=Training(
            epochs=epochs_of(name) if epochs is None else epochs,
            **{key: options.pop(key) for key in training_names},
        ),
        attack=attack,
        n_train=n_train,
        variant=variant,  # type: ignore[arg-type]
    )
    label = "standard" if attack is None else f"{attack.norm}_{attack.eps:g}_{attack.loss}"
    path = save or Path("models") / f"{name}_{label}.keras"
    if path.suffix != ".keras":
        raise click.BadParameter(f"{path} does not end in .keras.", param_hint="--save")
    writable_file(path, ".json")
    _keep_what_is_there(path, spec, bounds, overwrite)

    run = begin(variant=variant, **options)
    loaded = data.load(name, data_dir=data_dir, offline=offline, n_train=n_train, n_test=n_test)
    from robint_tf import recipes
    from robint_tf.attacks import evaluation
    from robint_tf.networks.bounds import taking
    from robint_tf.networks.files import cards, models

    trained_now = False

    def progress(position: "Position") -> None:
        nonlocal trained_now
        trained_now = True
        run.display.training(position)

    run.display.begin(f"training {path.name} on {len(loaded.train.x)} images")
    trained = recipes.classifier(spec, loaded, run.store, progress=progress, log_dir=tensorboard)
    run.display.end()
    clean = evaluation.accuracy(trained.network, loaded.test.x, loaded.test.y)
    card = {
        "figure": None,
        "date": today(),
        "provenance": run.provenance(),
        "spec": as_dict(spec),
        "bounds": bounds or (-1, 1),
        "train_data": loaded.train.fingerprint.as_json(),
        "test_data": loaded.test.fingerprint.as_json(),
        "data_source": loaded.source,
        "data_order": loaded.order,
        "epoch_loss": trained.epoch_loss,
        "epoch_accuracy": trained.epoch_accuracy,
        "clean_accuracy": {
            "value": clean.value,
            "n": clean.n,
            "interval_95": clean.interval,
            "loss": clean.loss,
        },
    }
    models.save(trained.network if bounds is None else taking(trained.network, bounds), path, card)
    if trained_now:
        for epoch, (loss, hits) in enumerate(zip(trained.epoch_loss, trained.epoch_accuracy, strict=True), 1):
            click.echo(f"epoch {epoch}: loss {loss:.4f}, accuracy {hits:.2%} on the images trained on")
    elif spec.training.epochs:
        click.echo(f"this network was trained before; taken from {run.store.root}")
    click.echo(f"clean accuracy {clean}")
    click.echo(f"wrote {path} and {cards.card_path(path)}")


def _keep_what_is_there(path: Path, spec: ClassifierSpec, bounds: tuple[float, float] | None, overwrite: bool) -> None:
    """Refuse to replace a file that is not a training of the same spec, for images in the same bounds."""
    if overwrite or not path.exists():
        return
    from robint_tf.networks.files import cards

    recipe = {"spec": as_dict(spec), "bounds": bounds or (-1, 1)}
    if cards.recipe_of(path) != json.loads(json.dumps(recipe)):
        raise click.UsageError(f"{path} holds another network; give --save another name, or --overwrite.")
