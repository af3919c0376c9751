"""The Helm chart: judged by both Helms, by the schemas of Kubernetes, and by a real API server."""
