"""Training samples: `images` (their type), their origins `folders`, `bags`, `procedural`, then `patches`, `augment`."""
