"""What the sections of the paper measure, and what they write.

presets                     the studies as data, in three sizes
toy                         section 2.2: its networks and boundaries
manifold                    section 2.1: its networks, VAE-GAN, distances and figures
manifold_results            Figure 1 from the distances
grid                        sections 3.2 and 3.3: networks, accuracies, retrainings
grid_results                Figures 4 and 5 from the accuracies
runner                      what the studies share: data, store, what is missing
estimate                    how much work a study is, and how long it takes here
cluster                     the grid on many processes
pictures                    the figures of a report
"""
