"""The first command of a newcomer: every finished part of the study, small, on packaged data, without network."""

from pathlib import Path
from typing import Any

import click

from robint_tf.specs import as_dict

from ..commands import report
from ..options import device_options, out_option, store_option
from ..run import Run, begin
from ..studies.manifold_work import Work
from ..studies.presets import DEMO_2_1, DEMO_ATTACK, DEMO_NETWORKS, SECTION_2_2
from . import section_2_2


@click.command("demo", context_settings={"default_map": {"deterministic": True}})
@out_option("demo")
@store_option
@device_options
def command(out: Path, **places: Any) -> None:
    """Everything once, small and offline, in about six minutes on two cores.

    Draws Figure 3 from three seeds; trains a standard and an adversarially trained network on 1,000 packaged digits
    of MNIST and attacks both; draws one panel of Figure 1, and Figures 2 and 6, from five networks and a VAE-GAN.
    Ends with the comparison of all that with the published results, report.html.
    """
    run = begin(out=out, variant="authors", preset="demo", **places)
    click.echo("Section 2.2: adversarial training removes the tilt of the boundary (Figure 3)")
    results = section_2_2.measure(SECTION_2_2["quick"], run)
    paths = [
        *run.save("section_2_2", results),
        *run.save("section_2_2_sketch", {"sketch": section_2_2.SKETCH}),
    ]
    section_2_2.report(results)
    click.echo("\nA standard and an adversarially trained network on 1,000 MNIST digits")
    paths.append(_networks(run, out))
    click.echo("\nSection 2.1: distance of adversarial digits to the image manifold (Figures 1, 2, 6)")
    for stem, figure, found in Work(DEMO_2_1, run, "xent", offline=True).figures("panel"):
        paths += run.save(stem, found, figure=figure)
    click.echo("\nwrote " + ", ".join(map(str, paths)))
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
    rows = []
    for name, spec in DEMO_NETWORKS.items():
        run.display.begin(f"training the {name} network")
        recipes.classifier(spec, digits, run.store, network=network, progress=run.display.training)
        run.display.begin(f"attacking the {name} network")
        clean = evaluation.accuracy(network, x, y)
        robust = evaluation.accuracy(network, x, y, DEMO_ATTACK, progress=run.display.batches)
        run.display.end()
        click.echo(f"{name:12} clean {clean}\n{'':12} under {DEMO_ATTACK}: {robust}")
        rows.append({"name": name, "spec": as_dict(spec), "clean": vars(clean), "robust": vars(robust)})
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
