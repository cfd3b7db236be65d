"""The pages, one file for each subject of work: what it shows, and which commands it hands on."""
