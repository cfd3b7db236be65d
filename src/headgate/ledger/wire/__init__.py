"""The published formats: the bytes of a leaf, C2SP signed notes and checkpoints. Pure: bytes in, bytes out."""
