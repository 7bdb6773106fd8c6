"""Clean and robust accuracy of a network from a file."""

from pathlib import Path
from typing import Any

import click

from robint_tf.specs import as_dict

from ..options import (
    ATTACK_OPTIONS,
    NewFile,
    Place,
    attack_from,
    attack_options,
    bounds_option,
    data_options,
    device_options,
    refuse_attack_without_eps,
    store_option,
)
from ..run import begin, sha256, today


@click.command("evaluate")
@click.argument("model", type=Place())
@click.option("--dataset", required=True, help="toy, mnist, fashion-mnist, cifar10, or a sample: mnist-sample, ...")
@bounds_option
@attack_options(multiple=True)
@click.option("--n-test", type=click.IntRange(1), help="Use the first test images only.  [default: all]")
@click.option("--batch-size", type=click.IntRange(1), default=500, show_default=True)
@click.option("--json", "json_path", type=NewFile(), help="Write the numbers here too.")
@data_options
@store_option
@device_options
def command(
    model: Path,
    dataset: str,
    bounds: tuple[float, float] | None,
    eps: tuple[float, ...],
    n_test: int | None,
    batch_size: int,
    json_path: Path | None,
    data_dir: Path | None,
    offline: bool,
    **options: Any,
) -> None:
    """Clean accuracy of the classifier in the file MODEL, and its accuracy under PGD for each --eps.

    Any Keras 3 classifier of Keras' own layers that returns logits for float32 images will do; unless they are in
    [-1, 1], give --bounds. The attacks use the true labels.
    """
    from robint_tf import data

    chosen = {key: options.pop(key) for key in ATTACK_OPTIONS}
    if not eps:
        refuse_attack_without_eps(click.get_current_context(), "clean accuracy is measured only")
    attacks = [attack_from(value, **chosen) for value in eps]
    run = begin(**options)
    loaded = data.load(data.canonical_name(dataset), data_dir=data_dir, offline=offline, n_test=n_test)
    from robint_tf.attacks import evaluation
    from robint_tf.networks.files import models
    from robint_tf.store import results

    x, y = loaded.test.x, loaded.test.y
    network = models.load(model, x_shape=x.shape[1:], n_classes=len(loaded.class_names), bounds=bounds)
    rows = []
    for attack in (None, *attacks):
        run.display.begin("evaluating on clean images" if attack is None else f"evaluating under {attack}")
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
                "n_unchanged": found.n_unchanged,
            }
        )
    if json_path is not None:
        test = {"dataset": loaded.name, "source": loaded.source, "order": loaded.order}
        results.write(
            json_path,
            {
                "figure": None,
                "date": today(),
                "provenance": run.provenance(),
                "model": model.name,
                "model_sha256": sha256(model),
                "bounds": bounds or (-1, 1),
                "test_data": test | loaded.test.fingerprint.as_json(),
                "evaluations": rows,
            },
        )
        click.echo(f"wrote {json_path}")
