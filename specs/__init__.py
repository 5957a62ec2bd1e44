"""Says what must hold of every history. Imports nothing of the engine."""
