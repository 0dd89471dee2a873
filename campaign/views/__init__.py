"""Pages: the only home of Flask besides web.py. A view reads the request, calls one use case and words the answer."""
