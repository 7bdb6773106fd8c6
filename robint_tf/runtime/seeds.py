"""Seeds that are derived from others, so that everything random has its own."""

import numpy as np

from robint_tf.errors import InputError


def derive_seed(*path: int) -> int:
    """A 31-bit seed that depends on every number of `path` and their order. `ValueError` if one is negative.

    >>> derive_seed(0, 1) == derive_seed(0, 1), derive_seed(0, 1) == derive_seed(1, 0)
    (True, False)
    """
    if min(path) < 0:
        raise InputError(f"seed is {min(path)}; give a whole number of at least 0.")
    return int(np.random.SeedSequence(path).generate_state(1)[0] >> 1)
