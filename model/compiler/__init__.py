"""Source to net, one file per stage. Nothing here runs a workflow."""
