"""The operator of RevCart: one `RevCartPlatform` object in, a running shop out, on Kubernetes or on one machine."""
