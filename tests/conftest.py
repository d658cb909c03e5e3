"""Fixtures that several tiers share."""

from collections.abc import Iterator

import pytest

from revcart.kit import telemetry
from tests import control_plane as control_planes
from tests import shop as shops

telemetry.configure("WARNING", "console", "tests")


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[shops.Shop]:
    """One running shop for all tests of a worker; each test brings its own people."""
    with shops.running(tmp_path_factory.mktemp("shop")) as running:
        yield running


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[control_planes.ControlPlane]:
    """A real API server with the CRD, for all tests of a worker; each test makes a namespace of its own."""
    with control_planes.running(tmp_path_factory.mktemp("control-plane")) as running:
        yield running
