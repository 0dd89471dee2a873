"""The only home of Flask besides web.py."""
