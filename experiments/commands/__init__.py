"""One module a command that is not a section of the paper.

train, evaluate, roar    a classifier of one's own
data                     data sets: which are there, and how to get the others
plan, status             what a section costs, and how much of it is done
report, redraw           results compared with the paper; figures drawn again
pack, unpack             finished measurements as one file, and back
"""
