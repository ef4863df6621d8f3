"""Not for tests: importing it compiles a grammar for 3.5 s, in every process that reads a notebook or starts Jupyter.

jsonschema goes without it, and leaves IRIs unchecked; nothing here has any.
"""

raise ImportError("left out by the tests of Pilothouse")
