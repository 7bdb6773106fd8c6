"""What the paper does not have, beside what it has.

controls            what the scores of section 3.2 owe to the shape of maps
schedules           the same scores by other epochs than the last one
power               which slopes a design of networks would find
trial               whether attributions can explain a network, and add up
methods             other attributions of the same networks: a command
road                accuracy without the most and the least relevant pixels: a command
gradients           how loss gradients lie to the data manifold: a command
gradient_study      what that measures and writes
"""
