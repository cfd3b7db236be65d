"""Seeing, sampling, judging, answering: what a served exchange was, and what people say of it.

Detectors score every settled exchange; a verifiable coin decides which ones a person reads; reviewers label them, and a
harm stands only when a second person who has not seen the first label agrees. What comes out are plain numbers per epoch
and hazard, in the order of sampling, from which a claim with a stated error rate can be made. Incidents are kept here too.
"""
