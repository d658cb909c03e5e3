"""RevCart's services: the kit they share and the eleven services of the shop."""

from importlib import metadata

__version__ = metadata.version("revcart")
