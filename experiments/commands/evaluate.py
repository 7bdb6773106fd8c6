"""Clean and robust accuracy of a network from a file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from robint_tf.specs import as_dict

from ..options import AttackOptions, RunOptions, attack_options, bounds_option, refuse_attack_without_eps, run_options
from ..own.options import OwnDataOptions, own_data_options
from ..parameters import NewFile, Place
from ..parsing import parsed
from ..run import begin, sha256, today


@dataclass(frozen=True)
class Options:
    """Options of evaluate."""

    model: Path
    bounds: tuple[float, float] | None
    eps: tuple[float, ...]
    attack: AttackOptions
    jpeg: int | None
    n_test: int | None
    batch_size: int
    json_path: Path | None
    run: RunOptions
    data: OwnDataOptions


@click.command("evaluate")
@click.argument("model", type=Place())
@bounds_option
@attack_options(multiple=True)
@click.option("--jpeg", type=click.IntRange(1, 100), help="Also measure what JPEG files of this quality cost.")
@click.option("--n-test", type=click.IntRange(1), help="Use the first test images only.  [default: all]")
@click.option("--batch-size", type=click.IntRange(1), default=500, show_default=True, help="Images per batch.")
@click.option("--json", "json_path", type=NewFile(".json"), help="Also write the numbers to this file.")
@own_data_options("toy, mnist, fashion-mnist, cifar10, or a sample: mnist-sample, ...")
@run_options
@parsed(Options)
def command(options: Options) -> None:
    """Clean accuracy of the classifier in the file MODEL, and its accuracy under PGD for each --eps.

    Any Keras 3 classifier of Keras' own layers that returns logits for float32 images will do; unless they are in
    [-1, 1], give --bounds. The attacks use the true labels.
    """
    if not options.eps:
        refuse_attack_without_eps("clean accuracy is measured only")
    attacks = list(dict.fromkeys(options.attack.attack(eps) for eps in options.eps))  # 0.5 and 1/2 are one
    _ = options.data.name  # refused before TensorFlow starts
    run = begin(options.run)
    bounds, model = options.bounds, options.model
    loaded = options.data.read(n_test=options.n_test, bounds=bounds)
    from robint_tf.attacks import evaluation
    from robint_tf.store import results
    from robint_tf.study.given import from_file

    x, y = loaded.test.x, loaded.test.y
    network = from_file(model, loaded, bounds)
    rows = []
    for attack in (None, *attacks):
        run.display.begin("evaluating on clean images" if attack is None else f"evaluating under {attack}")
        accuracy = evaluation.accuracy(
            network, x, y, attack, batch_size=options.batch_size, progress=run.display.batches
        )
        run.display.end()
        click.echo(f"{'clean' if attack is None else f'under {attack}'}: {accuracy}")
        rows.append(
            {
                "attack": None if attack is None else as_dict(attack),
                "accuracy": accuracy.value,
                "n": accuracy.n,
                "interval_95": accuracy.interval,
                "loss": accuracy.loss,
                "n_saturated": accuracy.n_saturated,
                "n_unchanged": accuracy.n_unchanged,
            }
        )
    lossy = None
    if options.jpeg is not None:
        from robint_tf.data import jpeg

        changed = jpeg.compressed(x, options.jpeg)
        lossy = evaluation.difference(network, x, changed, y, batch_size=options.batch_size)
        click.echo(f"after JPEG of quality {options.jpeg}: {lossy}")
    if options.json_path is not None:
        test = {"dataset": loaded.name, "source": loaded.source, "order": loaded.order}
        results.write(
            options.json_path,
            {
                "figure": None,
                "date": today(),
                "provenance": run.provenance(),
                "model": model.name,
                "model_sha256": sha256(model),
                "bounds": bounds or (-1, 1),
                "test_data": test | loaded.test.fingerprint.as_json(),
                "evaluations": rows,
            }
            | _about_jpeg(options.jpeg, lossy),
        )
        click.echo(f"wrote {options.json_path}")


def _about_jpeg(quality: int | None, lossy: Any) -> dict[str, Any]:
    """The part of the results about images after JPEG; nothing if it was not asked for."""
    if lossy is None:
        return {}
    difference = {"value": lossy.value, "n": lossy.n, "interval_95": lossy.interval}
    after = {"accuracy": lossy.after.value, "interval_95": lossy.after.interval}
    return {"jpeg": {"quality": quality} | after | {"difference": difference}}
