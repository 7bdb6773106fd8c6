"""What everything runs on, and nothing about robustness.

Modules:

    device        where TensorFlow runs, and how: choice, compilation, arithmetic
    xla           programs that XLA compiles, and that run without it where it cannot
    cuda          NVIDIA's libraries, and which of them XLA cannot work with
    interrupts    Ctrl-C and SIGTERM, held back until a state can be written
    batching      one way to run a data set in batches, and compiled functions that die with their network
    seeds         seeds that are derived from others
"""
