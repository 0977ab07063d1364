# The command `trax-otel`: one module per sub-command, imported only when it is called.
#
#   main   the command line, its help and exit codes
#   run    a command with telemetry, its code unchanged
#   local  the embedded endpoint and what it received (options: its filters)
#   demo   the whole line on a third-party service
"""The command line."""
