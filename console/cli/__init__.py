"""The command line, one file per group of verbs. No decision about an execution is taken here."""
