"""Section 2.1 in numbers: from measured distances to the content of Figure 1's results file."""

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import click

from robint_tf import labels
from robint_tf.paper import published

from ..progress import wrapped
from .presets import ManifoldStudy

if TYPE_CHECKING:
    import numpy as np

    from robint_tf.manifold import OrderProbability
    from robint_tf.recipes import Distances

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
TEST_DATA = "Test Data"


@dataclass(frozen=True, eq=False)
class Measured:
    """All distances of one data set. tests: of the test images, one draw of noise per panel; panels: of the attacks."""

    study: ManifoldStudy
    loss: str
    tests: "list[Distances]"
    panels: "dict[tuple[str, str], dict[str, Distances]]"


@dataclass(frozen=True)
class Convention:
    """Which projection of an image is measured, and the network by whose prediction an attack counts as successful."""

    projection: str
    reference: str

    def values(self, distances: "Distances") -> "np.ndarray":
        return distances.mean if self.projection == "mean" else distances.sampled

    def valid(self, distances: "Distances") -> "np.ndarray":
        return distances.own_changed if self.reference == "attacked network" else distances.changed


AUTHORS = Convention("sample", "standard network")
CORRECTED = Convention("mean", "attacked network")


def figure_1(measured: Measured, problems: list[str], scale: str) -> dict[str, Any]:
    """The four panels: curves, modes, their order, the authors' modes, and paired comparisons.

    problems: what is wrong with the VAE-GAN, if anything; scale: "panel" or "common".
    """
    corrected = measured.study.variant == "corrected"
    convention, other = (CORRECTED, AUTHORS) if corrected else (AUTHORS, CORRECTED)
    return {
        "attack": str(measured.study.test_attack(measured.loss)),
        "n_attacked": len(measured.tests[0].sampled),
        "projection": convention.projection,
        "judged_by": convention.reference,
        "scale": scale,
        "problems": problems,
        "panels": [_panel(measured, i, scale, convention, other, bool(problems)) for i in range(len(measured.panels))],
    }


def _panel(
    measured: Measured, index: int, scale: str, convention: Convention, other: Convention, invalid: bool
) -> dict[str, Any]:
    from robint_tf import manifold
    from robint_tf.store import results

    study = measured.study
    (norm, loss), networks = list(measured.panels.items())[index]
    low, high = limits(measured, index, scale, convention)
    published_modes = published.FIGURE_1_MODES[study.dataset][norm, loss] if measured.loss == "xent" else (None,) * 5
    raw = curves(measured, index, convention)
    relative = {name: (values - low) / (high - low) for name, values in raw.items()}
    window = _window(list(relative.values()))
    modes: list[float | None] = []
    rows = []
    for (name, values), authors in zip(relative.items(), published_modes, strict=True):
        density = manifold.density(values, window)
        modes.append(None if density is None else density.mode)
        attacked = networks.get(name)
        rows.append(
            {
                "name": name,
                "n": len(values),
                "n_saturated": None if attacked is None else int(attacked.saturated.sum()),
                "mode": modes[-1],
                "mode_authors": authors,
                "mean": _mean(values),
                "quantiles": _quantiles(values),
                "distance_mean": _mean(raw[name]),
                "distance_quantiles": _quantiles(raw[name]),
                "density": None if density is None else results.rounded(density.y, 4),
            }
        )
    trained_with = study.trained_with(norm, loss)
    groups = _from_near_to_far(list(by_image(measured, index, convention).values()))
    modes_order = None if invalid else manifold.order_probability(groups)
    means_order = None if invalid else manifold.mean_order_probability(groups)
    return {
        "norm": norm,
        "loss": loss,
        "trained_with": trained_with,
        "title": f"{labels.NORMS[norm]} {labels.LOSSES[loss]}",
        "scale": [low, high],
        "window": list(window),
        "order": {
            "rule": "modes: test images < strongest adversary < middle < weakest < standard",
            "holds": None if invalid else _rises(modes),
            "bootstrap_probability": modes_order and modes_order.rising,
            "pairs_reversed": _by_pair(list(raw), modes_order),
            "means_hold": None if invalid else _rises([_mean(values) for values in raw.values()]),
            "means_bootstrap_probability": means_order and means_order.rising,
            "means_pairs_reversed": _by_pair(list(raw), means_order),
            "holds_otherwise": None
            if invalid
            else _rises([manifold.mode(v) for v in _in_order(curves(measured, index, other), low, high)]),
            "otherwise": f"projection from the {other.projection}, judged by the {other.reference}",
        },
        "nearer_than_standard": paired(networks, convention),
        "curves": rows,
    }


def curves(measured: Measured, index: int, convention: Convention) -> "dict[str, np.ndarray]":
    """Distances of a panel's curves by name: the test images, then the successful attacks on each network."""
    networks = list(measured.panels.values())[index]
    attacked = {name: convention.values(d)[convention.valid(d)] for name, d in networks.items()}
    return {TEST_DATA: convention.values(measured.tests[index]), **attacked}


def limits(measured: Measured, index: int, scale: str, convention: Convention) -> tuple[float, float]:
    """The distances that are 0 and 1 on a panel's axis: those of the nearest and the farthest test image."""
    chosen = [measured.tests[index]] if scale == "panel" else measured.tests
    values = [convention.values(d) for d in chosen]
    return min(float(v.min()) for v in values), max(float(v.max()) for v in values)


def _in_order(curves: "dict[str, np.ndarray]", low: float, high: float) -> "list[np.ndarray]":
    return [(values - low) / (high - low) for values in curves.values()]


def _window(groups: "list[np.ndarray]") -> tuple[float, float]:
    """Where densities are estimated: [0, 1] as the authors do, wider if 5% of an attack's distances lie outside."""
    import numpy as np

    groups = [group for group in groups if len(group)]
    pooled = np.concatenate(groups)
    low = 0.0 if all(np.mean(group < 0) < 0.05 for group in groups) else float(np.floor(pooled.min() * 10) / 10)
    high = 1.0 if all(np.mean(group > 1) < 0.05 for group in groups) else float(np.ceil(pooled.max() * 10) / 10)
    return low, high


def _quantiles(values: "np.ndarray") -> list[float] | None:
    import numpy as np

    return np.quantile(values, QUANTILES).tolist() if len(values) else None


def _rises(modes: list[float | None]) -> bool | None:
    """Whether modes of test, standard, weakest, ..., strongest come in the paper's order; None if one is missing."""
    if any(mode is None or mode != mode for mode in modes):
        return None
    test, *falling = (float(mode) for mode in modes if mode is not None)
    return all(a > b for a, b in pairwise(falling)) and falling[-1] > test


def by_image(measured: Measured, index: int, convention: Convention) -> "dict[str, np.ndarray]":
    """As `curves`, of every test image (N,): NaN where the attack did not succeed."""
    import numpy as np

    networks = list(measured.panels.values())[index]
    attacked = {name: np.where(convention.valid(d), convention.values(d), np.nan) for name, d in networks.items()}
    return {TEST_DATA: convention.values(measured.tests[index]), **attacked}


def _from_near_to_far(curves: list) -> list:
    """Curves, or their names, from test, standard, weakest, ..., strongest in the order of the paper's claim."""
    test, *falling = curves
    return [test, *reversed(falling)]


def _by_pair(names: list[str], order: "OrderProbability | None") -> dict[str, float] | None:
    """Bootstrap probability that two neighbours of the paper's order come the other way round, by what is then so."""
    if order is None:
        return None
    pairs = pairwise(_from_near_to_far(names))
    return {f"{far} nearer than {near}": p for (near, far), p in zip(pairs, order.reversals, strict=True)}


def _mean(values: "np.ndarray") -> float | None:
    return float(values.mean()) if len(values) else None


def paired(networks: "dict[str, Distances]", convention: Convention) -> list[dict[str, Any]]:
    """For each robust network, how often its attacked image lies nearer to the manifold than the standard network's."""
    from robint_tf import manifold

    (_, standard), *robust = networks.items()
    rows = []
    for name, distances in robust:
        both = convention.valid(distances) & convention.valid(standard)
        nearer = manifold.nearer(convention.values(distances), convention.values(standard), both)
        interval = None if nearer is None else list(nearer.interval)
        rows.append({"name": name, "share": nearer and nearer.share, "n": int(both.sum()), "interval": interval})
    return rows


def print_table(dataset: str, figure: dict[str, Any]) -> None:
    """Print our numbers and the authors', or only which attacks succeeded where the VAE-GAN has problems."""
    from robint_tf.paper.figures import plots_manifold

    click.echo()
    click.echo(wrapped(f"{dataset}: attacked by {figure['attack']}; {figure['n_attacked']} test images", "  "))
    if figure["problems"]:
        click.echo("  no verdict on distances, this VAE-GAN cannot stand for the manifold:")
        for problem in figure["problems"]:
            click.echo(wrapped(f"  {problem}", "    "))
        for panel in figure["panels"]:
            counts = ", ".join(f"{curve['name']} {curve['n']}" for curve in panel["curves"][1:])
            click.echo(wrapped(f"  {panel['title'] + _swapped(panel)}: successful attacks on {counts}", "    "))
        return
    for panel in figure["panels"]:
        title = panel["title"] + _swapped(panel)
        click.echo(f"{title:28} {'n':>6} {'d_pi':>7} {'mode':>6} {'authors':>8}  nearer than standard")
        shares = {row["name"]: row for row in panel["nearer_than_standard"]}
        for curve in panel["curves"]:
            share = shares.get(curve["name"])
            nearer = (
                ""
                if share is None or share["share"] is None
                else (
                    f"{share['share']:.1%} ({share['interval'][0]:.1%} to {share['interval'][1]:.1%}) of {share['n']}"
                )
            )
            click.echo(
                f"  {curve['name']:26} {curve['n']:6} {_cell(curve['distance_mean'], '7.2f')} "
                f"{_cell(curve['mode'], '6.3f')} {_cell(curve['mode_authors'], '8.3f')}  {nearer}"
            )
        click.echo(f"  {plots_manifold.order_words(panel['order'])}")
    click.echo(
        "in brackets after the order: its bootstrap probability; yes from 95% on, no where two neighbours are reversed "
        "in 98.75% of the resamples"
    )


def _swapped(panel: dict[str, Any]) -> str:
    return "" if panel["trained_with"] == panel["loss"] else f" (networks trained with {panel['trained_with']})"


def _cell(value: float | None, form: str) -> str:
    return "-".rjust(int(form.split(".")[0])) if value is None else format(value, form)
