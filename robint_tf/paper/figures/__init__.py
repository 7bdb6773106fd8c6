"""The paper's figures, each drawn from the content of a results file alone.

Modules:

    plots                       what draws which results, and saving as files
    looks                       as the report shows a figure, or plain and as wide as a paper's column
    plots_toy                   Figure 3
    plots_manifold              Figures 1, 2 and 6, and what a VAE-GAN makes of images
    plots_interpretability      Figures 4 and 5, and DiffROAR
    plots_published             our scores of Figure 4 against the authors'
    plots_beyond                ROAD, measures of gradients
    plots_methods               scores of many attributions
    series                      the numbers of a series in these, ours and the authors'

results: the content of the results file that a figure is drawn from; look: how it is to look, a `looks.Look`; formats:
suffixes of the files that are written.
"""
