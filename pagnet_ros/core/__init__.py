"""The rules of a frame, pure: depth contract, validity, filters, pairing, and what runs when time is short."""
