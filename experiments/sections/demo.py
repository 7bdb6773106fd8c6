"""The first command of a newcomer: every part of the study, small, on packaged data, without network."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from robint_tf.specs import as_dict

from ..commands import report
from ..options import RunOptions, out_option, run_options
from ..parsing import parsed
from ..progress import wrapped
from ..run import Run, begin
from ..studies import toy
from ..studies.manifold import ManifoldRunner
from ..studies.presets import DEMO_2_1, DEMO_ATTACK, DEMO_NETWORKS, SECTION_2_2


@dataclass(frozen=True)
class Options:
    """Options of demo."""

    out: Path
    run: RunOptions


@click.command("demo", context_settings={"default_map": {"deterministic": True}})
@out_option("demo")
@run_options
@parsed(Options)
def command(options: Options) -> None:
    """Everything once, small and offline, in about six minutes on two cores.

    Draws Figure 3 from three seeds; trains a standard and an adversarially trained network on 1,000 packaged digits
    of MNIST and attacks both; draws one panel of Figure 1, and Figures 2 and 6, from five networks and a VAE-GAN.
    Ends with the comparison of all that with the published results, report.html.
    """
    out = options.out
    run = begin(options.run, out=out, variant="authors", preset="demo")
    click.echo("Section 2.2: adversarial training removes the tilt of the boundary (Figure 3)")
    results = toy.ToyRunner(SECTION_2_2["quick"], run).measure()
    paths = [
        *run.save("section_2_2", results),
        *run.save("section_2_2_sketch", {"sketch": toy.SKETCH}),
    ]
    toy.print_table(results)
    click.echo("\nA standard and an adversarially trained network on 1,000 MNIST digits")
    paths.append(_networks(run, out))
    click.echo("\nSection 2.1: distance of adversarial digits to the manifold (Figures 1, 2, 6)")
    figures = ManifoldRunner(DEMO_2_1, run, "xent", offline=True).figures("panel")
    if figures[0][2]["problems"]:
        click.echo("  robint section-2-1 --dataset mnist trains a VAE-GAN on the whole data set")
    for stem, figure, content in figures:
        paths += run.save(stem, content, figure=figure)
    click.echo(f"\nwrote {len(paths)} files into {out}: figures (.png, .pdf) and their numbers (.json)")
    click.echo("\nThe paper's claims, as far as this goes (robint report)")
    report.write(out, out)


def _networks(run: Run, out: Path) -> Path:
    """Train both networks and attack them; the path of the numbers."""
    from robint_tf import data, recipes
    from robint_tf.attacks import evaluation
    from robint_tf.networks import classifiers
    from robint_tf.store import results

    digits = data.load("mnist_sample", offline=True)
    network = classifiers.build("mnist_cnn")
    x, y = digits.test.x, digits.test.y
    rows: list[dict[str, Any]] = []
    for name, spec in DEMO_NETWORKS.items():
        run.display.begin(f"training the {name} network")
        recipes.classifier(spec, digits, run.store, network=network, progress=run.display.training)
        run.display.begin(f"attacking the {name} network")
        clean = evaluation.accuracy(network, x, y)
        robust = evaluation.accuracy(network, x, y, DEMO_ATTACK, progress=run.display.batches)
        run.display.end()
        rows.append({"name": name, "spec": as_dict(spec), "clean": vars(clean), "robust": vars(robust)})
    click.echo(f"{'network':12} {'accuracy on clean images':26} under attack")
    for row in rows:
        cells = [
            f"{found['value']:.1%} ({found['interval'][0]:.1%} to {found['interval'][1]:.1%})"
            for found in (row["clean"], row["robust"])
        ]
        click.echo(f"{row['name']:12} {cells[0]:26} {cells[1]}")
    click.echo(wrapped(f"{len(y)} test images, with 95% intervals; the attack is {DEMO_ATTACK}"))
    path = out / "networks.json"
    results.write(
        path,
        {
            "figure": None,
            "provenance": run.provenance(),
            "train_data": digits.train.fingerprint.as_json(),
            "test_data": digits.test.fingerprint.as_json(),
            "attack": str(DEMO_ATTACK),
            "networks": rows,
        },
    )
    return path
