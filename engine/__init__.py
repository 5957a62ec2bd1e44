"""Runs nets durably: log, protocol, workers. Nothing here knows how a workflow is written."""
