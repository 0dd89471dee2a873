"""Countersign: petitions whose signatures are real and whose mail arrives once."""
