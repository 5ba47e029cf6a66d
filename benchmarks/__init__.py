"""How fast it is, measured beside something else. Run from the checkout; not installed."""
