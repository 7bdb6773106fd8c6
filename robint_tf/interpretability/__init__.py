"""What a network looks at, and whether that matters (sections 3.1 to 3.3).

Modules:

    attributions  how much each pixel matters to a network's loss, one module a method
    occlusion     hiding or keeping the pixels that matter most
    retraining    cells of the grid: retraining on such images (ROAR, KAR); controls of the same maps
    road          accuracy without these pixels and without retraining (ROAD)
    scores        areas between curves, correlations, lines
    inference     statistics with the network as the unit of replication
    welch         differences of means and of lines whose variances are not the same
    controls      what scores owe to the shape of a map

batch_size: images at a time, halved where memory runs out. progress: called with the number of images that are done,
and of all.
"""
