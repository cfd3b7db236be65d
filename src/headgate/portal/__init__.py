"""The pages for people outside: applicants, holders of keys, users of the chat page, and the public.

A face, not a place for rules: it shows people their own standing, terms, keys and limits with the reasons for each, serves
the managed chat page through the same door as every other surface, and publishes what the public may know of a release.
"""
