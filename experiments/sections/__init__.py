"""One module a section of the paper, and the demo.

section_2_1         Figures 1, 2 and 6
section_2_2         Figure 3
section_3_2         Figure 4
section_3_3         Figure 5
interpretability    the options and the run that sections 3.2 and 3.3 share
demo                everything once, small and offline
"""
