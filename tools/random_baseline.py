"""Are "remove f at random" and "keep 1 - f at random" one distribution? Accuracies of both from a pack, side by side.

usage: python tools/random_baseline.py figures/cells/random_baseline_quick.json [GAP]

By definition they are: each replaces every pixel with the probability f. The table shows the accuracy after the last
epoch of each retraining, how far the epochs before it lie apart, and Welch's t-test between the two; then how far two
single cells lie apart by chance, and with GAP how often they lie that far apart.
"""

import sys
from pathlib import Path

import numpy as np
from scipy import stats

from robint_tf.specs import from_dict
from robint_tf.store import packs, results

LAST = 4
"""Epochs at the end of a training, among which the last one is drawn by chance."""


def cells(path: Path) -> dict[float, dict[str, list[np.ndarray]]]:
    """Test accuracies by epoch of the random baseline: by share of pixels replaced, then "remove" or "keep"."""
    found: dict[float, dict[str, list[np.ndarray]]] = {}
    for entry in results.read(path)["entries"]:
        spec = from_dict(entry["spec"])
        if getattr(spec, "attribution", None) != "random":
            continue
        hits = packs.read_array(entry["arrays"]["test_hits"])
        n_test = round(hits[-1].sum() / float(packs.read_array(entry["arrays"]["accuracy"])))
        replaced = round(spec.fraction if spec.occlusion == "remove" else 1 - spec.fraction, 6)
        found.setdefault(replaced, {"remove": [], "keep": []})[spec.occlusion].append(hits.sum(axis=1) / n_test)
    return found


def main() -> None:
    for replaced, kinds in sorted(cells(Path(sys.argv[1])).items()):
        print(f"{replaced:.0%} of the pixels replaced at random")
        last = {}
        for kind, curves in kinds.items():
            last[kind] = np.array([curve[-1] for curve in curves])
            wander = np.mean([curve[-LAST:].std(ddof=1) for curve in curves])
            values = ", ".join(f"{value:.4f}" for value in last[kind])
            print(f"  {kind:6} {values}")
            print(
                f"         mean {last[kind].mean():.4f}, standard deviation {last[kind].std(ddof=1):.4f}; "
                f"over the last {LAST} epochs of one training {wander:.4f}"
            )
        test = stats.ttest_ind(last["remove"], last["keep"], equal_var=False)
        low, high = test.confidence_interval()
        gap = last["remove"].mean() - last["keep"].mean()
        print(f"  remove minus keep {gap:.4f} (95% interval {low:.4f} to {high:.4f}), p = {test.pvalue:.2f}")
        freedom = sum(len(values) - 1 for values in last.values())
        pooled = np.sqrt(sum((len(values) - 1) * values.var(ddof=1) for values in last.values()) / freedom)
        apart = pooled * np.sqrt(2)
        print(f"  two single cells: standard deviation of their difference {apart:.4f}, ", end="")
        print(f"95% of them within {stats.t.ppf(0.975, freedom) * apart:.4f}")
        if len(sys.argv) > 2:
            given = float(sys.argv[2])
            print(f"  {given} or more apart: p = {2 * stats.t.sf(given / apart, freedom):.3f}")


if __name__ == "__main__":
    main()
