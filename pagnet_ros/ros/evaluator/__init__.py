"""Scores the running node."""
