"""Sources of messages: bags, folders of frames, and the simulated camera."""
