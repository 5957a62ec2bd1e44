"""Proves the protocol with Z3: induction, bounded search, and Spacer. The protocol itself is never
written here.
"""
