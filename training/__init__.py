"""The offline package: train, evaluate and export PAG-Net. Imports `pagnet_ros`, is never imported by it.

Data flows one way: `data` (images from folders or from the simulation -> patches) -> `module` (network, loss,
optimiser) -> `checkpoint` (training state on disk) -> `export` (a weights file for `pagnet_ros`) -> `evaluate`.
"""
