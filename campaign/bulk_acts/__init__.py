"""Acts on many rows: chosen by ids or a filter, carried out in bounded slices, with progress, and undone likewise."""
