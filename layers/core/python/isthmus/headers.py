"""What every answer carries, whoever writes it: an operation, or a server in front of it."""

HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
"""On every answer: nobody keeps it, and a browser that is shown one does nothing with it. Never a CORS header."""
