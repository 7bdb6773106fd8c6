"""The figures of a report: those of a folder of results, drawn again, and the authors' Figures 4 and 5.

Beside Figures 4 and 5 stands DiffROAR of the same networks, beyond the paper; beside Figure 4 also our scores against
the published ones.
"""

from functools import cache
from typing import TYPE_CHECKING, Any

from robint_tf.labels import LOSSES

if TYPE_CHECKING:
    from robint_tf.paper.comparison import Collection
    from robint_tf.paper.report import Picture

DPI = 90
NAMED = ("section_", "gradients_", "gradient_measures_", "methods", "road_")
"""How the names of results files begin whose figures are drawn."""


def pictures(collection: "Collection", left_out: set[str]) -> "tuple[list[Picture], dict[str, str]]":
    """The figures of the results and of the authors' Figures 4 and 5; and why others cannot be drawn.

    left_out: paths of files that the comparison did not take.
    """
    from robint_tf.paper import protocols, report
    from robint_tf.paper.figures import plots
    from robint_tf.store import results

    drawn, undrawn = [], {}
    drawable = [
        (name, place, content)
        for name in collection.content
        if name.startswith(NAMED)
        for place, content in collection.files_of(name)
        if _kind(content) and place not in left_out
    ]
    for name, place, content in sorted(drawable, key=lambda item: (list(KINDS).index(item[2]["figure"]), item[:2])):
        section = ".".join(name.split("_")[1:3]) if name.startswith("section_") else "beyond"
        try:
            png = _png(plots.FIGURES[content["figure"]](content))
            drawn.append(report.Picture(section, _title(name, content), _alt(name, content), png))
            for other, beside in plots.beside(content, name).items():
                of, shows = BESIDE["published" if "_published_" in other else "diffroar"]
                title = f"{shows} {_title(name, content)}"
                drawn.append(report.Picture(of or section, title, title, _png(beside)))
        except protocols.ODD as error:
            cause = results.printable(f"{type(error).__name__}: {error}")[:200]
            undrawn[place] = f"its figure cannot be drawn ({cause}); run its command again."
    return drawn + list(_authors()), undrawn


@cache
def _authors() -> "tuple[Picture, ...]":
    """The authors' Figures 4 and 5, and DiffROAR of the same scores; they never change."""
    from robint_tf.paper import report
    from robint_tf.paper.figures import plots

    from .grid_results import authors_figure

    drawn = []
    for section, figure, axis in (("3.2", 4, "strength"), ("3.3", 5, "accuracy")):
        for loss in ("xent", "cw"):
            theirs = authors_figure(loss, axis)
            trained = f"networks trained with {LOSSES[loss]}"
            title = f"Figure {figure}, the authors' numbers, {trained} (read back from their figure)"
            drawn.append(report.Picture(section, title, title, _png(plots.FIGURES["interpretability"](theirs))))
            (beside,) = plots.beside(theirs, section).values()
            title = f"DiffROAR from the scores in {title}"
            drawn.append(report.Picture("beyond", title, title, _png(beside)))
    return tuple(drawn)


def _kind(content: dict[str, Any]) -> str | None:
    """What kind of figure a results file is of; None for one that has none."""
    figure = content.get("figure")
    return figure if isinstance(figure, str) and figure in KINDS else None


KINDS = {
    "manifold_distances": "Figure 1: distances of adversarial examples to the image manifold",
    "adversarial_examples": "Figure 2: adversarial examples by network",
    "loss_gradients": "Figure 6: loss gradients by network",
    "vae_gan": "what the VAE-GAN makes of test images and of noise",
    "gradients": "beyond the paper: how loss gradients lie to the image manifold",
    "gradient_measures": "beyond the paper: measures of loss gradients",
    "methods": "beyond the paper: other attributions",
    "road": "beyond the paper: accuracy without the most and the least relevant pixels (ROAD)",
    "interpretability": "ROAR and KAR scores",
    "section_2_2": "Figure 3b: decision boundaries of three toy networks",
    "section_2_2_sketch": "Figure 3a: why a tilted boundary sends attacks off the manifold",
}


BESIDE = {
    "diffroar": ("beyond", "DiffROAR of the same networks as in"),
    "published": (None, "Our scores against the published ones, network by network, of"),
}
"""Where on the page a further figure of a results file stands (None: in its section), and what it shows."""
FIGURE_OF_AXIS = {"strength": "Figure 4", "accuracy": "Figure 5"}


def _kind_and_data(content: dict[str, Any]) -> str:
    """What a figure shows and of which data set, e.g. Figure 4: ROAR and KAR scores, CIFAR-10, trained with XEnt."""
    from robint_tf.paper.beyond.measures import data_of

    kind = KINDS[content["figure"]] + (f", {content['model']}" if "model" in content else "")
    if content["figure"] == "interpretability":
        kind = f"{FIGURE_OF_AXIS[content['axis']]}: {kind}"
    if content.get("dataset"):
        kind += f", {data_of(content)}"
    if content["figure"] == "interpretability":
        kind += f", networks trained with {LOSSES[content['loss']]}"
    return kind


def _title(name: str, content: dict[str, Any]) -> str:
    preset = content.get("provenance", {}).get("preset")
    return f"{_kind_and_data(content)}, ours ({'' if preset is None else f'preset {preset}; '}{name}.json)"


def _alt(name: str, content: dict[str, Any]) -> str:
    if content["figure"] == "manifold_distances":
        from robint_tf.paper.figures import plots_manifold

        orders = (f"{p['title']}: {plots_manifold.order_words(p['order'])}" for p in content["panels"])
        return f"{_kind_and_data(content)}. " + "; ".join(orders)
    return _title(name, content)


def _png(figure: Any) -> str:
    import base64
    import io

    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=DPI, format="png", bbox_inches="tight", metadata={"Software": None})
    return base64.b64encode(buffer.getvalue()).decode()
