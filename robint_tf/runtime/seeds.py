"""Seeds that are derived from others, so that everything random has its own."""

import numpy as np

from robint_tf.errors import InputError


def derive_seed(*path: int) -> int:
    """A 31-bit seed that depends on the numbers of `path` and their order. `ValueError` if one is negative.

    Zeros at the end of a path of fewer than four numbers do not count: paths that are to differ should have one length.

    >>> derive_seed(0, 1) == derive_seed(0, 1), derive_seed(0, 1) == derive_seed(1, 0)
    (True, False)
    >>> derive_seed(7) == derive_seed(7, 0)
    True
    """
    if min(path) < 0:
        raise InputError(f"seed is {min(path)}; give a whole number of at least 0.")
    return int(np.random.SeedSequence(path).generate_state(1)[0] >> 1)
