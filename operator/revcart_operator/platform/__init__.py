"""What a `RevCartPlatform` is: its models, its defaults, its rules, and the catalogue of what it consists of."""
