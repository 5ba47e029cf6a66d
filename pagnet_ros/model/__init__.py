"""What the network is: its mathematics, its shape, its weights files and the shipped ones."""
