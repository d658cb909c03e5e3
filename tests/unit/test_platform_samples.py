"""The samples that people copy are valid, and mean what they say."""

from pathlib import Path

import pytest

from revcart_operator.platform import effective, loading, spec, store

SAMPLES = Path(__file__).parents[2] / "manifests" / "samples"


@pytest.mark.parametrize("file", sorted(SAMPLES.glob("*.yaml")), ids=lambda file: file.stem)
def test_sample_is_valid(file: Path) -> None:
    platform = loading.read(file)
    assert platform.metadata.name == "shop"


def test_all_three_profiles_have_a_sample() -> None:
    assert {loading.read(file).spec.profile for file in SAMPLES.glob("*.yaml")} == set(spec.Profile)


def test_development_has_demo_data_and_takes_no_real_money() -> None:
    platform = loading.read(SAMPLES / "development.yaml")
    assert platform.spec.demo_data is spec.Switch.ENABLED
    assert effective.resolve(platform).spec.services.payment.razorpay.mode == "Simulated"


def test_external_takes_every_store_from_others() -> None:
    stores = loading.read(SAMPLES / "external.yaml").spec.stores
    assert all(getattr(stores, name).mode is store.Mode.EXTERNAL for name in store.NAMES)


def test_high_availability_runs_no_store_itself() -> None:
    stores = loading.read(SAMPLES / "high-availability.yaml").spec.stores
    assert all(getattr(stores, name).mode is store.Mode.EXTERNAL for name in store.NAMES)
