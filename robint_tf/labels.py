"""The names of things as people read them, in tables, figures and claims. The paper's things come in its order."""

from robint_tf.settings import settings_of


class Labels(dict[str, str]):
    """Labels by name; what has none, such as a norm that was registered, is called by its own name.

    >>> NORMS["linf"], NORMS["l1@0a1b2c"]
    ('L-Inf', 'l1')
    """

    def __missing__(self, name: str) -> str:
        return name.partition("@")[0]


class AttributionLabels(Labels):
    """The paper's attributions, and beside them the others of the package, with settings that are not the defaults."""

    def __missing__(self, name: str) -> str:
        settings = settings_of(name)
        if settings is None:
            return BEYOND_THE_PAPER.get(name, super().__missing__(name))
        told = settings.told
        return BEYOND_THE_PAPER[settings.name] + (f" ({told})" if told else "")


DATASETS = Labels(mnist="MNIST", fashion_mnist="Fashion-MNIST", cifar10="CIFAR-10")
NORMS = Labels(l2="L2", linf="L-Inf")
LOSSES = Labels(xent="XEnt", cw="CW")
ATTRIBUTIONS = AttributionLabels(gradient="G", gradient_x_input="GX")
BEYOND_THE_PAPER = {
    "integrated_gradients": "IG",
    "smoothgrad": "SmoothGrad",
    "smoothgrad_squared": "SmoothGrad²",
    "vargrad": "VarGrad",
    "guided_backpropagation": "Guided BP",
    "deeplift": "DeepLIFT",
    "lrp_epsilon": "LRP-ε",
    "lrp_composite": "LRP composite",
}
"""Attributions that the paper does not have; `ATTRIBUTIONS` looks here, too, but lists the paper's alone."""
TESTS = Labels(remove="ROAR", keep="KAR")
TESTS_IN_FULL = Labels(remove="Remove and Retrain (ROAR)", keep="Keep and Retrain (KAR)")
