"""The first command of a newcomer: every part of the study, small, on packaged data, without network."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from robint_tf import labels

from ..commands import report
from ..options import RunOptions, out_option, run_options
from ..parsing import parsed
from ..progress import wrapped
from ..run import Run, begin
from ..studies import toy
from ..studies.grid import Grid
from ..studies.grid_results import measure
from ..studies.manifold import ManifoldRunner
from ..studies.presets import DEMO_2_1, DEMO_3_2, SECTION_2_2


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
    """Everything once, small and offline, in about three minutes on two cores.

    Draws Figure 3 from three seeds; trains a standard and an adversarially trained network on 1,000 packaged digits
    of MNIST, attacks both, and trains others without the pixels that matter most to them, and with these alone (ROAR
    and KAR); draws one panel of Figure 1, and Figures 2 and 6, from five networks and a VAE-GAN. Ends with the
    comparison of all that with the published results, report.html.
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
    """Train both networks, attack and explain them; the path of the numbers."""
    from robint_tf.store import results

    grid = Grid(DEMO_3_2, run, offline=True)
    grid.announce(grid.everything())
    measured = measure(grid)
    run.display.end()
    rows: list[dict[str, Any]] = [
        {
            "name": "standard" if explained.loss is None else "adversarial",
            "trained": str(explained),
            "clean": vars(clean),
            "robust": vars(robust),
            "retrained": {test: cells["gradient", test].mean(axis=1).tolist() for test in labels.TESTS},
        }
        for explained, clean, robust, cells in measured["networks"]
    ]
    random = {test: measured["baseline"]["random", test].mean(axis=1).tolist() for test in labels.TESTS}
    _print_networks(rows)
    _print_retrainings({row["name"]: row["retrained"] for row in rows} | {"random": random})
    path = out / "networks.json"
    about = {"figure": None, "provenance": run.provenance()} | grid.about()
    attack = str(DEMO_3_2.robust_attack)
    results.write(
        path,
        about | {"attack": attack, "fractions": list(DEMO_3_2.fractions), "networks": rows, "random": random},
    )
    return path


def _print_networks(rows: list[dict[str, Any]]) -> None:
    click.echo(f"{'network':12} {'accuracy on clean images':26} under attack")
    for row in rows:
        cells = [
            f"{found['value']:.1%} ({found['interval'][0]:.1%} to {found['interval'][1]:.1%})"
            for found in (row["clean"], row["robust"])
        ]
        click.echo(f"{row['name']:12} {cells[0]:26} {cells[1]}")
    n = rows[0]["clean"]["n"]
    click.echo(wrapped(f"{n} test images, with 95% intervals; the attack is {DEMO_3_2.robust_attack}"))


def _print_retrainings(retrained: dict[str, dict[str, list[float]]]) -> None:
    """Sections 3.2 and 3.3: accuracies, by whose gradient orders the pixels."""
    click.echo("\nSections 3.2 and 3.3: accuracy after training on images in which pixels are hidden")
    heads = [f"{verb} {f:.0%}" for verb in ("hide", "keep") for f in DEMO_3_2.fractions]
    click.echo(f"{'most important to':20}" + "".join(f"{head:>10}" for head in heads))
    for name, by_test in retrained.items():
        values = [value for test in ("remove", "keep") for value in by_test[test]]
        click.echo(f"{name:20}" + "".join(f"{value:10.1%}" for value in values))
    click.echo(wrapped("One small network each, so a few points are chance: section-3-2 trains many of them."))
