"""Attributions that go back through a network by rules of their own for its layers, one module a method.

Modules:

    chain                      a network as a chain of stages: linear maps, rectifications, poolings
    guided_backpropagation     gradients without their negative parts: a negative control
    deeplift                   differences to a baseline, handed on in proportion (Rescale)
    lrp                        layer-wise relevance propagation: the epsilon rule, and a composite of rules

All begin with the logit of the predicted label, and compute in float32 whatever the network computes in.

Of every method: network: from images to logits. x: images (N, H, W, C) float32 in [-1, 1]. variant: of the
objective, see `maps`; settings: of the method, see `robint_tf.settings`; baseline: the image (H, W, C) to compare with.
"""
