"""The command `robint`: sections of the paper, and commands around them. TensorFlow is loaded only when one runs.

cli           the group of commands, and what users see of errors
commands      one module a command that is not a section of the paper
sections      one module a section of the paper, and the demo
machine       what this machine can do, and what is wrong with it
studies       what the sections measure, and what they write
own           what commands do with one's own networks, data and results
beyond        controls, schedules, power, ROAD, measures of gradients: what the paper does not have
options       options that several commands share, and the dataclasses they are read into
parameters    kinds of values that options take
parsing       from options to dataclasses, and back to a recorded command
hints         what to type where the library says that something is missing
run           what a command has at hand: store, device, output folder
tables        our own numbers as tables for documents; loaded by `report` when it runs
progress      progress of long work on standard error
streams       standard streams that cannot end the work
quiet         loading TensorFlow without its notices
"""
