"""Read-only clients of the monitoring: Prometheus, Alertmanager, DENIS's metrics, a running Remediator."""
