"""Matters of the whole process: transport profiles, memory, shipped files, child processes, health."""
