"""Training of the encoders: the contrastive and captioning objective, its data, its loop, its measurements and its export.

Nothing at search time imports this package. `python -m embedder.training --help` tells the commands.
"""
