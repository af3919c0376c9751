"""What the monitoring says: Prometheus, Alertmanager, DENIS's metrics, a running Remediator. Asked, never changed."""
