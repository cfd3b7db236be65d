"""Which exchanges a person reads: probabilities first, then a coin that anyone can toss again."""
