"""Mail as bytes: templates, composing, quoted-printable, DKIM."""
