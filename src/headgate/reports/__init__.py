"""What Headgate reports of a release: on a page, in a file to keep, on paper.

A report is put together from what services answer, and says nothing that they do not. The staff's pages are made of the same
parts.
"""
