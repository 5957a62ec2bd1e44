"""The main job as a program: an order workflow, its payment server, its kills.

No rule of the engine lives here.
"""
