"""The names of things as people read them, in tables, figures and claims. The paper's things come in its order."""


class Labels(dict[str, str]):
    """Labels by name; what has none, such as a norm that was registered, is called by its own name.

    >>> NORMS["linf"], NORMS["l1@0a1b2c"]
    ('L-Inf', 'l1')
    """

    def __missing__(self, name: str) -> str:
        return name.partition("@")[0]


DATASETS = Labels(mnist="MNIST", fashion_mnist="Fashion-MNIST", cifar10="CIFAR-10")
NORMS = Labels(l2="L2", linf="L-Inf")
LOSSES = Labels(xent="XEnt", cw="CW")
ATTRIBUTIONS = Labels(gradient="G", gradient_x_input="GX")
TESTS = Labels(remove="ROAR", keep="KAR")
TESTS_IN_FULL = Labels(remove="Remove and Retrain (ROAR)", keep="Keep and Retrain (KAR)")
