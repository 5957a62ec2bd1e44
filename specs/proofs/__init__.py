"""Proves the protocol with Z3: induction, and Spacer. The protocol itself is never
written here.
"""
