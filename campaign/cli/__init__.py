"""The command line: `countersign …`."""
