"""What commands on one's own network take: where the data are, --dataset and --data, and what is explained."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from robint_tf.catalogue import DATASETS, OWN
from robint_tf.specs import VARIANTS

from ..options import DataOptions, data_options
from ..parameters import DatasetName
from ..parsing import chain

if TYPE_CHECKING:
    from robint_tf.data.datasets import Dataset

OWN_VARIANT = "corrected"
"""Of one's own networks, as of the functions of `robint_tf.study`: what is explained is the same cross entropy, whose
gradient survives where they are sure."""

own_variant_option = click.option(
    "--variant",
    type=click.Choice(VARIANTS, case_sensitive=False),
    default=OWN_VARIANT,
    show_default=True,
    help="What is explained: corrected, a loss whose gradient does not round to 0 where the network is sure, as in "
    "Python; or what the paper's sections explain, following the authors' code or the paper's text.",
)


@dataclass(frozen=True)
class OwnDataOptions(DataOptions):
    """Where data are that may be the user's own. own: a place that `data.load_own` takes, instead of `dataset`."""

    dataset: str | None = None
    own: str | None = None

    @property
    def name(self) -> str:
        """What recipes call the data set. `UsageError` unless one of --dataset and --data is given."""
        source = click.get_current_context().get_parameter_source("dataset")
        if self.own is not None and source == click.core.ParameterSource.COMMANDLINE:
            raise click.UsageError("--dataset and --data name one data set each; give one of them.")
        if self.own is not None:
            return OWN
        if self.dataset is None:
            raise click.UsageError("no data set is named; give --dataset, or --data for your own.")
        return self.dataset

    @property
    def name_of_images(self) -> str:
        """The same. `BadParameter` for a data set without pixels."""
        name = self.name
        if name != OWN and len(DATASETS[name].shape) != 3:
            raise click.BadParameter(f"{name} has no pixels; choose a data set of images.", param_hint="'--dataset'")
        return name

    def read(
        self,
        *,
        n_train: int | None = None,
        n_test: int | None = None,
        bounds: tuple[float, float] | None = None,
    ) -> "Dataset":
        """The data set, or the first images of its splits; bounds: of one's own images that are not bytes."""
        from robint_tf import data

        name = self.name
        if self.own is None:
            return self.load(name, n_train=n_train, n_test=n_test)
        return data.load_own(self.own, bounds=bounds, data_dir=self.data_dir, n_train=n_train, n_test=n_test)


def own_data_options(datasets: str, default: str | None = None) -> Callable:
    """The options of `OwnDataOptions`; datasets: which --dataset takes; default: of --dataset without --data."""
    return chain(
        click.option("--dataset", type=DatasetName(), default=default, show_default=default is not None, help=datasets),
        click.option(
            "--data",
            "own",
            help="Your own data instead: a folder with train/CLASS and test/CLASS of PNG or JPEG files, an .npz file "
            "with x_train, y_train, x_test and y_test, or tfds:NAME of a prepared TFDS set. Images that are not bytes "
            "lie in --bounds.",
        ),
        data_options,
    )
