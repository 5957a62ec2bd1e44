"""What an author writes a workflow with: effect classes, waits, scopes. Nothing here runs durably.

The one thing that runs is `.direct`: a workflow as plain coroutine, without a log, for tests.
"""
