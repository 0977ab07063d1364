"""What Grafana and Prometheus are shipped with, as code: dashboards, alert rules in Grafana's form, and the names they may use.

`python -m tools.grafana` writes the generated files; `--check` fails where one is out of step.
"""
