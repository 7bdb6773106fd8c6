"""What the functions of the study return, from the files that it was saved in."""

from pathlib import Path

from robint_tf.store import results
from robint_tf.study.attribution import Attribution
from robint_tf.study.gradients import Gradients
from robint_tf.study.imputation import Imputed
from robint_tf.study.manifold import Distances
from robint_tf.study.outcomes import Outcome
from robint_tf.study.retraining import Retrained

KINDS: dict[str, type[Outcome]] = {
    kind.figure: kind for kind in (Attribution, Retrained, Imputed, Distances, Gradients)
}
"""By the figure that a results file names."""


def load(path: Path | str) -> Outcome:
    """What was saved in the file at path. `ResultsError` for a file of another kind, or a damaged one."""
    name, content = results.printable(str(path)), results.read(Path(path))
    kind = KINDS.get(str(content.get("figure")))
    if kind is None:
        raise results.ResultsError(
            f"{name} is a results file of another kind ({content.get('figure')!r}); `results.read` gives its content."
        )
    try:
        return kind.of(content)
    except results.ResultsError as error:
        raise results.ResultsError(f"{name} cannot be used: {error}") from error
