"""Section 3.3: the trade-off between accuracy and interpretability. Figure 5."""

from typing import Any

import click

from ..studies import interpretability


@click.command("section-3-3")
@interpretability.options
def command(**given: Any) -> None:
    """Figure 5: ROAR and KAR scores of two attributions against test accuracy.

    The networks and retrainings are those of section-3-2 with the same options; what that has made is not made again.
    Writes section_3_3_LOSS.png, .pdf and .json.
    """
    interpretability.run("accuracy", "section_3_3", **given)
