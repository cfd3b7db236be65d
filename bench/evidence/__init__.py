"""What the evidence engine costs in labels and time, beside what others use."""
