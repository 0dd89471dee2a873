"""The tables, one file for each room that owns them."""
