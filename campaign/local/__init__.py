"""What runs on one machine for trying, testing and proving."""
