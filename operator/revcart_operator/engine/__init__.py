"""The level-based reconcile: from a platform and what is there to what is missing. Knows no Kubernetes client."""
