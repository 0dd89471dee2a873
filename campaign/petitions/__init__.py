"""Petitions: their texts, settings and organisers."""
