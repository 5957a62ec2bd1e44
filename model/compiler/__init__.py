"""Source to net, one file per stage; the front door is `compile_workflow`. Nothing here runs a
workflow.
"""

from .compile import compile_workflow

__all__ = ["compile_workflow"]
