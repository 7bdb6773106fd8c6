"""What this machine can do: the libraries that a GPU needs, and whether they work together.

doctor       the command
facts        versions, driver, GPUs
probes       small computations in processes of their own, which a library may abort
verdict      what is wrong, and what to do, from facts and probes
first_use    the same, once for each set of versions, before a command uses a GPU
"""
