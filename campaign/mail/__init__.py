"""The only home of Jinja2 mail environments and SMTP."""
