"""Section 2.2: decision boundaries of networks on two Gaussians, standard and adversarially trained. Figure 3."""

from dataclasses import dataclass, replace
from pathlib import Path

import click

from ..options import RunOptions, out_option, preset_option, run_options, variant_option
from ..parsing import parsed
from ..run import begin
from ..studies.presets import SECTION_2_2, ToyStudy
from ..studies.toy import SKETCH, ToyRunner, print_table


@dataclass(frozen=True)
class Options:
    """Options of section-2-2."""

    preset: str
    n_seeds: int | None
    variant: str
    out: Path
    run: RunOptions

    def study(self) -> ToyStudy:
        """The preset's study, with the seeds and the variant that were chosen."""
        study = replace(SECTION_2_2[self.preset], variant=self.variant)  # type: ignore[arg-type]
        return study if self.n_seeds is None else replace(study, n_seeds=self.n_seeds)


@click.command("section-2-2")
@preset_option("smoke: a test that it runs; quick: 3 seeds; paper: 20 seeds (the authors show one).", SECTION_2_2)
@click.option("--seeds", "n_seeds", type=click.IntRange(1, 1000), help="Seeds per network.  [default: the preset's]")
@variant_option
@out_option("figures")
@run_options
@parsed(Options)
def command(options: Options) -> None:
    """Figure 3: decision boundaries of three toy networks, and where attacks on them lead.

    Writes section_2_2 (Figure 3b) and section_2_2_sketch (Figure 3a) as .png, .pdf and .json. The tilt of a boundary is
    its angle from the vertical axis; the paper's claim is that adversarial training removes it.
    """
    run = begin(options.run, out=options.out, variant=options.variant, preset=options.preset)
    results = ToyRunner(options.study(), run).measure()
    paths = [*run.save("section_2_2", results), *run.save("section_2_2_sketch", {"sketch": SKETCH})]
    print_table(results)
    click.echo("wrote " + ", ".join(map(str, paths)))


def planned(options: Options) -> list[ToyRunner]:
    """The study of these options, for `robint plan`."""
    run = begin(options.run, variant=options.variant, preset=options.preset)
    return [ToyRunner(options.study(), run)]
