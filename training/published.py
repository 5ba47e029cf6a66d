"""Figures of others, quoted as published or as their published weights measure on the validation images."""

from __future__ import annotations

__all__ = ["MSG_FLOAT", "MSG_SOURCE"]

MSG_SOURCE = "MSG-Net (Hui et al. 2016), its published weights, low resolution in floating point"

MSG_FLOAT: dict[str, dict[int, float]] = {
    "moebius": {2: 0.315, 4: 0.579, 8: 0.936, 16: 1.681},
    "dolls>9": {2: 0.345, 4: 0.690, 8: 1.051, 16: 1.597},
    "cones": {2: 0.905, 4: 2.595, 8: 4.229, 16: 6.192},
    "venus": {2: 0.142, 4: 0.346, 8: 1.040, 16: 1.745},
}
