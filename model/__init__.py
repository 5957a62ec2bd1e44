"""What a workflow is: language, compiler, net, firing; pure. No clock, no I/O, no database lives
here.
"""
