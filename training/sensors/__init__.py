"""From a recording to a sensor profile, and what judges it: fit, recovery, realism, restoration."""
