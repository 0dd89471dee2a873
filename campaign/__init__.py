"""Countersign: petitions whose signatures are real and whose mail arrives once."""

__version__ = "0.1.0"
