# The embedded endpoint, for one developer's machine.
#
#   store, writer         the SQLite file and the one thread that writes it
#   decode, otlp_json, wire   from OTLP requests to rows
#   http_receiver, grpc_receiver, server   the ways in
#   model, queries, failures   what the views ask for, and the records they get
#   web, terminal, report      the views
"""An OTLP endpoint on 127.0.0.1 over SQLite, with terminal and HTML views."""
