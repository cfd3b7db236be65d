"""The frozen values of a release: what a plan says, and where a release stands."""
