"""What the functions of the study return, from the files that it was saved in."""

from pathlib import Path
from typing import Any

import numpy as np

from robint_tf.specs import ORDERS
from robint_tf.store import results
from robint_tf.study.attribution import Attribution
from robint_tf.study.gradients import Gradients
from robint_tf.study.imputation import Imputed
from robint_tf.study.manifold import Distances, NetworkDistances
from robint_tf.study.outcomes import Outcome
from robint_tf.study.retraining import Retrained

KINDS: dict[str, type[Outcome]] = {
    kind.figure: kind for kind in (Attribution, Retrained, Imputed, Distances, NetworkDistances, Gradients)
}
"""By the figure that a results file names."""


def load(path: Path | str) -> Outcome:
    """What was saved in the file at path, also what the commands of the same name write of one's own network.

    `ResultsError` for a file of another kind, or a damaged one.
    """
    name, content = results.printable(str(path)), results.read(Path(path))
    figure = str(content.get("figure"))
    read = _of_road if figure == "road" else KINDS[figure].of if figure in KINDS else None
    if read is None:
        raise results.ResultsError(
            f"{name} is a results file of another kind ({content.get('figure')!r}); `results.read` gives its content."
        )
    try:
        return read(content)
    except results.ResultsError as error:
        raise results.ResultsError(f"{name} cannot be used: {error}") from error


def _of_road(content: dict[str, Any]) -> Imputed:
    """What the command of ROAD writes, with a row for each attribution."""
    try:
        rows, clean = content["attributions"], content["clean"]
        return Imputed(
            fractions=tuple(content["fractions"]),
            accuracies={row["attribution"]: {order: np.array(row[order], float) for order in ORDERS} for row in rows},
            areas={row["attribution"]: (row["area"], *(row["interval"] or (None, None))) for row in rows},
            accuracy=clean["accuracy"],
            n_test=clean["n"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise results.ResultsError(f"it does not hold what curves of ROAD consist of ({error}).") from error
