"""The pure rules: a release, a command, what was read and the time give a new release or a refusal."""
