"""Who gets in, on what terms, with which credential, and how they leave.

An account holds grants; a grant is a seat in a cohort, under a version of the terms, with an end; a key is a credential of
one grant. Staff hold roles and prove it with tokens of their own. Nothing here changes without an entry on the ledger in
the same transaction, so whoever caches an answer of this subject can be told when to forget it.
"""
