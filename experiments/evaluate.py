"""Clean and robust accuracy of a network from a file."""

from pathlib import Path
from typing import Any

import click

from robint_tf.specs import as_dict

from .options import ATTACK_OPTIONS, attack_from, attack_options, data_options, device_options, store_option, writable
from .run import begin


@click.command("evaluate")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--dataset", required=True, help="toy, mnist, fashion-mnist, cifar10, or a sample: mnist-sample, ...")
@attack_options(multiple=True)
@click.option("--n-test", type=click.IntRange(1), help="Use the first test images only.  [default: all]")
@click.option("--batch-size", type=click.IntRange(1), default=500, show_default=True)
@click.option(
    "--json", "json_path", type=click.Path(path_type=Path, dir_okay=False), help="Write the numbers here too."
)
@data_options
@store_option
@device_options
def command(
    model: Path,
    dataset: str,
    eps: tuple[float, ...],
    n_test: int | None,
    batch_size: int,
    json_path: Path | None,
    data_dir: Path | None,
    offline: bool,
    **options: Any,
) -> None:
    """Clean accuracy of the classifier in the file MODEL, and its accuracy under PGD for each --eps.

    Any Keras 3 classifier that returns logits for float32 images in [-1, 1] will do. The attacks use the true labels.
    """
    from robint_tf import data

    chosen = {key: options.pop(key) for key in ATTACK_OPTIONS}
    attacks = [None, *(attack_from(value, **chosen) for value in eps)]
    if json_path is not None:
        writable(json_path.parent)
    run = begin(**options)
    loaded = data.load(data.canonical_name(dataset), data_dir=data_dir, offline=offline, n_test=n_test)
    from robint_tf import cards, classifiers, evaluation, models, results

    x, y = loaded.test.x, loaded.test.y
    network = models.load(model, x_shape=x.shape[1:], n_classes=len(loaded.class_names))
    identity = cards.identity(model, classifiers.fingerprint(network))
    rows = []
    for attack in attacks:
        run.display.begin("clean" if attack is None else str(attack))
        found = evaluation.accuracy(network, x, y, attack, batch_size=batch_size, progress=run.display.batches)
        run.display.end()
        click.echo(f"{'clean' if attack is None else f'under {attack}'}: {found}")
        rows.append(
            {
                "attack": None if attack is None else as_dict(attack),
                "accuracy": found.value,
                "n": found.n,
                "interval_95": found.interval,
                "loss": found.loss,
                "n_saturated": found.n_saturated,
            }
        )
    if json_path is not None:
        test = {"dataset": loaded.name, "source": loaded.source, "order": loaded.order}
        results.write(
            json_path,
            {
                "figure": None,
                "provenance": run.provenance(),
                "model": identity,
                "test_data": test | loaded.test.fingerprint.as_json(),
                "evaluations": rows,
            },
        )
        click.echo(f"wrote {json_path}")
