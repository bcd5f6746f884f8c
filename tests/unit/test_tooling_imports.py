"""What a service drags into its process. Import contracts see our own imports; this sees the libraries' too."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.unit

IMPORT_EVERYTHING = """
import importlib, pkgutil, sys

package = importlib.import_module(sys.argv[1])
for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    if ".migrations" not in found.name:  # alembic runs those, a service does not import them
        importlib.import_module(found.name)
print(*{"torch", "transformers", "sentence_transformers"}.intersection(sys.modules))
"""


@pytest.mark.parametrize("service", ["dialogue", "dispatch", "gateway", "generation", "knowledge"])
def test_a_service_that_needs_no_torch_never_loads_it(service: str) -> None:
    finished = subprocess.run(
        [sys.executable, "-c", IMPORT_EVERYTHING, f"services.{service}"], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.split() == []
