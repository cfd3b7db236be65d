"""The published formats: RFC 6962 trees, the bytes of a leaf, and C2SP signed notes. Pure: bytes in, bytes out."""
