"""The engine's protocol as a transition system: state, actions, guards, promises, written once.

The terms are abstract: a solver's (`specs/proofs`) or Python's own (`plain.py`, which plays runs).
No solver, no clock and nothing of the engine is imported here.
"""
