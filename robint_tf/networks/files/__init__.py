"""Networks as `.keras` files.

Modules:

    models        writing and reading them
    vae_gans      the same of VAE-GANs, which are made by the recipe that their file names
    keras_file    what such a file may hold, checked before Keras reads it
    cards         the card beside a file: how the network was made and how well it does
"""
