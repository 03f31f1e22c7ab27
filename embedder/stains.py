"""Optical densities of the histological stains, and the light that passes through them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating[Any]]

# Absorption of red, green and blue light by one unit of stain. Haematoxylin, eosin and DAB start from Ruifrok and
# Johnston 2001 (Anal Quant Cytol Histol 23:291), turned towards what scanners of our day record; the rest were read
# off photographs: -ln(colour / background), scaled to unit length.
ABSORPTION: Mapping[str, tuple[float, float, float]] = {
    "haematoxylin": (0.57, 0.74, 0.36),
    "haematoxylin_blue": (0.80, 0.54, 0.27),  # blued counterstain of immunohistochemistry
    "eosin": (0.10, 0.86, 0.50),
    "erythrocyte": (0.16, 0.76, 0.63),
    "mucin": (0.68, 0.66, 0.32),
    "calcium": (0.62, 0.72, 0.32),
    "melanin": (0.38, 0.56, 0.74),
    "dab": (0.30, 0.58, 0.76),
    "giemsa_nucleus": (0.50, 0.82, 0.28),
    "giemsa_basophil": (0.76, 0.60, 0.24),
    "giemsa_red_cell": (0.34, 0.72, 0.60),
    "giemsa_granule": (0.22, 0.86, 0.46),
    "trichrome_blue": (0.86, 0.46, 0.20),
    "trichrome_red": (0.20, 0.80, 0.56),
    "pas": (0.24, 0.88, 0.41),
    "silver": (0.55, 0.59, 0.60),
    "light_green": (0.74, 0.24, 0.48),
    "grey": (0.58, 0.58, 0.58),
}


def slide_colours(rng: np.random.Generator, names: tuple[str, ...]) -> dict[str, Array]:
    """One laboratory's stains: each absorption strengthened or weakened and turned in hue a little."""
    strength = rng.uniform(0.82, 1.2)
    return {name: _turned(ABSORPTION[name], rng) * np.float32(strength * rng.uniform(0.9, 1.12)) for name in names}


def _turned(absorption: tuple[float, float, float], rng: np.random.Generator) -> Array:
    vector = np.maximum(np.asarray(absorption) + rng.normal(0.0, 0.03, 3), 0.01)
    unit: Array = (vector / np.linalg.norm(vector)).astype(np.float32)
    return unit


def transmit(densities: Mapping[str, Array], colours: Mapping[str, Array], lamp: Array) -> Array:
    """Beer-Lambert: light [h, w, 3] in 0..1 left of `lamp` [h, w, 3] after stains of density [h, w] each."""
    absorbed = np.zeros_like(lamp)
    for name, density in densities.items():
        absorbed += density[..., None] * colours[name]
    return lamp * np.exp(-absorbed)
