# The embedded endpoint, for one developer's machine.
#
#   schema, store, eviction                   the SQLite file, what is written to it and what goes out of it
#   decode, decode_metrics, otlp_json, wire   from OTLP requests to rows
#   writer                                    the one thread that writes, and answers after the commit
#   http_receiver, grpc_receiver, server      the ways in
#   model, queries, operations, failures, left_out   what the views ask for, and the records they get
#   resilience/                               retries, breakers and recoveries, from metrics, spans and events
#   tree, attempts, links                     a trace: its order, the waits in it, where its links lead
#   formats, badges, words                    how figures, spans and events are written
#   web/, terminal/, report                   the views
"""An OTLP endpoint on 127.0.0.1 over SQLite, with terminal and HTML views."""
