"""How good the methods themselves are: what `fit` recovers, ablations. Run from the checkout; not installed."""
