"""What the words and signs of the reports mean, and where the paper and its code are."""

PAPER = "https://arxiv.org/abs/1903.11626"
AUTHORS_CODE = "https://github.com/1202kbs/Robustness-and-Interpretability"

GLOSSARY = {
    "XEnt": "cross-entropy, the usual loss of a classifier; as the loss that an attack ascends or a network is trained "
    "against.",
    "CW": "the loss of Carlini and Wagner's attack: the largest logit of another class minus that of the true class.",
    "PGD": "projected gradient descent: an attack by small steps along the gradient, none farther than eps from the "
    "image.",
    "L2, L-Inf": "norms in which an attack's distance from the image is measured: Euclidean, and the largest change of "
    "any value.",
    "eps, attack strength": "the largest distance that an attack may go; the strength is eps as a share of the "
    "strongest of its norm.",
    "G": "the gradient of the loss with respect to the image, as an attribution: its size tells how much a pixel "
    "matters.",
    "GX": "gradient times input.",
    "ROAR": "remove and retrain: the pixels that an attribution ranks highest are filled, and a new network is trained "
    "on what is left. The more accuracy falls, the better the attribution.",
    "KAR": "keep and retrain: the same with only the highest pixels kept. The higher the accuracy, the better.",
    "AOC, AUC": "areas over and under the curve of accuracy against the share of pixels; scores are areas minus those "
    "of a random ranking.",
    "DiffROAR": "accuracy after keeping the top k minus accuracy after keeping the bottom k. Beyond the paper.",
    "ROAD": "remove and debias: pixels are imputed from their neighbours with a little noise, and nothing is "
    "retrained. Beyond the paper.",
    "Moran's I": "how alike neighbouring pixels of a map or mask are: 1 if it is smooth, about 0 for noise. Beyond the "
    "paper.",
    "Gini index": "how sparse a map is: 0 if all pixels matter equally, towards 1 if few do. Beyond the paper.",
    "leakage": "the share of test images whose class a linear classifier reads from masks alone, without the image. "
    "Beyond the paper.",
    "tangent share": "the share of a loss gradient's length that lies along the image manifold. Beyond the paper.",
    "VAE-GAN": "the generative network that stands for the image manifold; an image's distance to the manifold is that "
    "to its reconstruction.",
    "mode": "where a curve of Figure 1 peaks: the most frequent distance to the manifold, on an axis from the nearest "
    "test image (0) to the farthest (1).",
    "tilt": "the angle between a toy network's decision boundary and the vertical axis.",
    "preset": "how much of an experiment is run. `paper` is the authors' protocol, and only it decides; `quick` is a "
    "part of it that a CPU can do, `smoke` only shows that everything runs, `powered` is a grid of our own. A network "
    "of the authors' full training is called full.",
    "protocol": "the preset, and what the results lack of the authors' protocol: images, epochs, steps of PGD, "
    "fractions, retrainings, networks. Of results of one name those are taken that are nearest to it.",
    "verified": "of data: known by their hashes to be the published ones.",
    "variant": "whose details are followed where they differ: `authors`, their published code (the default); `paper`, "
    "the printed text; `corrected`, neither where both are doubtful.",
}
"""By term, in the order of the paper; what stands between backticks is typed."""
