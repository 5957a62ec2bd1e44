"""Breaks the world and holds the claims against it: simulated time, faults, real kills. No engine
code.
"""
