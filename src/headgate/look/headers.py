"""What every page tells the browser: run only our own files, show this nowhere else, keep nothing.

The policy allows no inline script and no inline style, so that markup which slips into a page as text could still do nothing.
"""

from __future__ import annotations

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

SECURE: dict[str, str] = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
"""Headers of every page."""

PRIVATE: dict[str, str] = {**SECURE, "cache-control": "no-store"}
"""Headers of every page that is somebody's."""
