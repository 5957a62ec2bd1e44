"""The command line. No decision about an execution is taken here."""
