"""Nets in and out of other notations. No layout of anything but nets lives here."""
