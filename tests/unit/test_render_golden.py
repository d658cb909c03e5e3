"""What the four samples become, word for word; a change shows in review as a change of tests/golden/.

`REVCART_WRITE_GOLDEN=1 pytest tests/unit/test_render_golden.py` writes them anew. What `test_render_properties` proves
of every object (labels, owner, namespace) is left out, and Secrets are shown as text: their values are made up.
"""

import base64
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests import renders

GOLDEN = Path(__file__).parents[1] / "golden"


def shown(manifest: dict[str, Any]) -> dict[str, Any]:
    metadata = {key: value for key, value in manifest["metadata"].items() if key in ("name", "annotations")}
    made = {**manifest, "metadata": metadata}
    if "data" in made:
        made["data"] = {key: base64.b64decode(value).decode() for key, value in made["data"].items()}
    if "template" in made.get("spec", {}):
        template = made["spec"]["template"]
        metadata = {key: value for key, value in template["metadata"].items() if key != "labels"}
        made["spec"] = {**made["spec"], "template": {"metadata": metadata, "spec": template["spec"]}}
    return made


def text(sample: str) -> str:
    parts = []
    for step in renders.steps(renders.sample(sample)):
        parts.append(f"# ---- {step.name}\n")
        parts += [
            yaml.dump(shown(each), sort_keys=False, allow_unicode=True, default_flow_style=None, width=120)
            for each in step.objects
        ]
    return "---\n".join(parts)


@pytest.mark.parametrize("sample", ["development", "external", "standard", "high-availability"])
def test_a_sample_becomes_what_was_reviewed(sample: str) -> None:
    file = GOLDEN / f"{sample}.yaml"
    if os.environ.get("REVCART_WRITE_GOLDEN"):
        file.write_text(text(sample), encoding="utf-8")
    assert text(sample).splitlines() == file.read_text(encoding="utf-8").splitlines()
