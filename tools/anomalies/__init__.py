"""How good the bands of grafana/rules/anomaly.yaml are: synthetic weeks with planted anomalies, judged by a real Prometheus."""
