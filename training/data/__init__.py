"""Where training samples come from: `images` (the sample type), `folders`, `procedural`, `patches`, `augment`."""
