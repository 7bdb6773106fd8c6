"""Section 3.2: does adversarial training make gradients more interpretable? Figure 4."""

import click

from ..parsing import parsed
from . import interpretability


@click.command("section-3-2")
@interpretability.options
@parsed(interpretability.Options)
def command(options: interpretability.Options) -> None:
    """Figure 4: ROAR and KAR scores of two attributions against the strength of adversarial training.

    Explains a standard network and adversarially trained ones, trains new networks on images without the pixels that
    matter most, or with these alone, and compares with random pixels. Writes section_3_2_LOSS.png, .pdf and .json.
    section-3-3 draws the same networks against their accuracy.
    """
    interpretability.run("strength", "section_3_2", options)
