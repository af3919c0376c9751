"""The whole reflex with real programs: Prometheus, Alertmanager, `remediator serve`, on the embedded cluster."""
