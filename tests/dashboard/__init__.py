"""The Grafana dashboard, judged by a real Prometheus, by Grafana's types, and by what people are promised."""
