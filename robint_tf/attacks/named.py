"""Attacks that have names of their own in the literature, as recipes of `PGD`."""

from robint_tf.specs import PGD


def fgsm(eps: float, *, loss: str = "xent") -> PGD:
    """The fast gradient sign method (Goodfellow et al., 2015): one l_inf step of length eps.

    eps: on [-1, 1] pixels; loss: a name in `catalogue.LOSSES`. `ValueError` as for `PGD`.

    >>> print(fgsm(8 / 255))
    linf PGD, eps 8/255 on [-1, 1] pixels (4/255 on [0, 1]), 1 steps of 8/255, loss xent
    """
    return PGD(norm="linf", eps=eps, step_size=eps, n_steps=1, loss=loss)


def bim(eps: float, *, n_steps: int = 10, step_size: float | None = None, loss: str = "xent") -> PGD:
    """The basic iterative method (Kurakin et al., 2016): n_steps l_inf steps inside the box of half-width eps.

    eps, step_size: on [-1, 1] pixels, step_size by default eps / n_steps; loss: a name in `catalogue.LOSSES`.
    `ValueError` as for `PGD`.
    """
    step = eps / max(n_steps, 1) if step_size is None else step_size
    return PGD(norm="linf", eps=eps, step_size=step, n_steps=n_steps, loss=loss)
