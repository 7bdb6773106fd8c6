"""Which results decide about the paper, and the words for what they say.

The same rules read results of any scale, but only results of the authors' protocol decide. From fewer images, steps,
networks or seeds the rules tell what happens there, which is not a verdict on the paper.
"""

from typing import Any

from robint_tf.catalogue import DATASETS
from robint_tf.paper import published
from robint_tf.paper.verdicts import Outcome
from robint_tf.specs import FRACTIONS, ClassifierSpec, Training, from_dict

Results = dict[str, Any]  # the content of a results file

ODD = (ArithmeticError, AttributeError, LookupError, MemoryError, TypeError, ValueError)
"""What a file may cause that is a valid results file of another form than its name promises."""

WORDS = {
    "decides": {"holds": "reproduced", "fails": "not reproduced"},
    "networks": {"holds": "agrees for these networks", "fails": "differs for these networks"},
    "scale": {"holds": "agrees at this scale", "fails": "differs at this scale"},
    "data": {"holds": "agrees on these data", "fails": "differs on these data"},
    "authors": {
        "holds": "supported",
        "holds as far as visible": "supported as far as visible",
        "fails": "contradicted",
    },
}
"""What an outcome is called: of results that decide, of others, and of the authors' own numbers. Others are of another
scale, of one network of each kind, or of data that are not known to be the published ones.
"""

ANSWERS = {
    "decides": {"holds": "yes", "fails": "no"},
    "networks": {"holds": "yes for these networks", "fails": "no for these networks"},
    "scale": {"holds": "yes at this scale", "fails": "no at this scale"},
    "data": {"holds": "yes on these data", "fails": "no on these data"},
    "authors": {"holds": "yes", "fails": "no"},
}
"""The same where the paper asks and asserts nothing."""

VERDICTS = tuple(
    dict.fromkeys(
        [w for words in (WORDS, ANSWERS) for of in words.values() for w in of.values()] + ["inconclusive", "not run"]
    )
)
"""Every verdict of a report, in the order in which they are counted."""


def verdict(outcome: Outcome, of: str, *, question: bool = False) -> str:
    """The word for an outcome; of: a key of WORDS; question: whether the paper asks, and does not assert.

    >>> verdict("holds", "decides"), verdict("holds", "decides", question=True), verdict("not run", "scale")
    ('reproduced', 'yes', 'not run')
    """
    return (ANSWERS if question else WORDS)[of].get(outcome, outcome)


def decides(results: Results) -> bool:
    """Whether results are of the authors' protocol, on data that are known to be the published ones."""
    return standing(results) == "decides"


def standing(results: Results) -> str:
    """What results can say, a key of WORDS: "decides", or why they do not, "scale", "data", "networks".

    Of the authors' protocol are those of preset `paper` with nothing taken away, and of their full training. More seeds
    or networks than the authors' are welcome. Data count as the published ones only where the file says so. Results of
    section 2.1 are of one network of each kind, with intervals over images: they speak of these networks, "networks".
    `KeyError` and its like for content of another form.
    """
    if not _protocol(results):
        return "scale"
    if "test_data" in results and results.get("test_data_verified") is not True:
        return "data"
    return "networks" if results.get("figure") == ONE_EACH else "decides"


ONE_EACH = "manifold_distances"
"""The figure whose results hold one network of each kind."""


def scale(results: Results) -> str:
    """The scale of results for tables: their preset, "full" for a network's card; with a note if they do not decide,
    and the variant if it is not the authors'.
    """
    preset, variant = (results["provenance"].get(key) for key in ("preset", "variant"))
    if preset not in (None, "paper"):
        return str(preset)
    notes = [] if variant in (None, "authors") else [f"variant {variant}"]
    notes += NOTES[standing(results)]
    return (preset or "full") + (f" ({', '.join(notes)})" if notes else "")


UNVERIFIED = "data not verified"
NOTES: dict[str, list[str]] = {"decides": [], "networks": [], "scale": ["changed"], "data": [UNVERIFIED]}


def _protocol(results: Results) -> bool:
    preset = results["provenance"].get("preset")
    if preset is None:
        return _full_training(results["spec"]) and results["clean_accuracy"]["n"] == N_TEST
    if preset != "paper":
        return False
    return results["figure"] != "interpretability" or _whole_grid(results)


N_TEST = 10_000
"""Test images of each of the published image sets: an accuracy that decides is that of all of them."""


def _full_training(spec: Results) -> bool:
    """Whether a recipe is the authors' standard training, from whatever seed and in whatever variant."""
    found = from_dict(spec)
    info = DATASETS.get(found.dataset)
    if info is None or info.epochs is None or info.sample_of:
        return False
    training = Training(epochs=info.epochs, seed=found.training.seed)
    return found == ClassifierSpec(dataset=found.dataset, training=training, variant=found.variant)


def _whole_grid(results: Results) -> bool:
    """Whether a grid has the authors' fractions, as many retrainings, and every eps of each norm that it has."""
    radii: dict[str, set[float]] = {}
    for network in results["networks"]:
        if network["norm"] is not None:
            radii.setdefault(network["norm"], set()).add(round(network["eps"], 6))
    return (
        tuple(results["fractions"]) == FRACTIONS
        and results["n_seeds"] >= published.N_RETRAININGS
        and all(
            found >= {round(eps, 6) for eps in published.series(results["loss"], norm).eps if eps > 0}
            for norm, found in radii.items()
        )
    )
