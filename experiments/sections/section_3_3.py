"""Section 3.3: the trade-off between accuracy and interpretability. Figure 5."""

import click

from ..parsing import parsed
from . import interpretability


@click.command("section-3-3")
@interpretability.options
@parsed(interpretability.Options)
def command(options: interpretability.Options) -> None:
    """Figure 5: ROAR and KAR scores of two attributions against test accuracy.

    The networks and retrainings are those of section-3-2 with the same options, which trains each of them only once
    for both sections. Writes section_3_3_LOSS.png, .pdf and .json.
    """
    interpretability.run("accuracy", "section_3_3", options)
