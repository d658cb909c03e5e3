"""The port to a cluster on Kubernetes: requests, watches, a Lease. The only importer of `kubernetes`."""
