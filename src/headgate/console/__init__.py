"""The pages for staff: what blocks a release and who can unblock it, what waits for review, who has access, what happened.

A face, not a place for rules: each page calls the services of the subjects, shows what they answered, and hands each
command to one of them. What a page cannot do, its reader may not do.
"""
