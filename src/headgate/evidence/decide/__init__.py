"""What labels mean: pure rules from labels and a claim, or a rule, to a reading."""
