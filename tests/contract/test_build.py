"""What `sam build` would upload: built once into a temporary folder, for another processor and another Python."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.template.sam import logical_id
from isthmus.catalogue import operations

pytestmark = [pytest.mark.deploy, pytest.mark.xdist_group("build")]

LAMBDA_LIMIT_BYTES = 250 * 1024 * 1024
ELF_AARCH64 = 183
PYTHON_3_13_MAGIC = 3571
UNCHECKED_HASH = 1
IN_THE_RUNTIME = ("boto3", "botocore")


@pytest.fixture(scope="session")
def built(run_offline: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with one artifact for each function and layer."""
    folder = tmp_path_factory.mktemp("build") / "artifacts"
    run_offline("sam", "build", "--build-dir", folder, "--cache-dir", folder.with_name("cache"))
    return folder


def test_each_function_holds_the_operations_and_nothing_beside_them(built: Path) -> None:
    for operation in operations():
        artifact = built / logical_id(operation)
        assert [entry.name for entry in artifact.iterdir()] == ["functions"]
        assert (artifact / operation.handler.rsplit(".", 1)[0].replace(".", "/")).with_suffix(".py").is_file()


def test_all_functions_are_one_and_the_same_artifact_so_that_it_is_uploaded_once(built: Path) -> None:
    contents = [
        {path.relative_to(artifact).as_posix(): path.read_bytes() for path in _files(artifact)}
        for artifact in (built / logical_id(operation) for operation in operations())
    ]
    assert all(one == contents[0] for one in contents)


def test_a_function_and_its_layers_fit_into_lambda(built: Path, template: dict[str, Any]) -> None:
    everywhere = template["Globals"]["Function"]["Layers"]
    for operation in operations():
        layers = everywhere + template["Resources"][logical_id(operation)]["Properties"].get("Layers", [])
        names = [logical_id(operation), *(layer["Ref"] for layer in layers)]
        sizes = {name: sum(path.stat().st_size for path in _files(built / name)) for name in names}
        assert sum(sizes.values()) < LAMBDA_LIMIT_BYTES, sizes


def test_all_layers_together_leave_room_in_lambda_so_that_any_operation_may_use_any_port(built: Path) -> None:
    sizes = {layer.name: sum(path.stat().st_size for path in _files(layer)) for layer in built.glob("*Layer")}
    assert set(sizes) == {"BaseLayer", "CoreLayer", "DataLayer"}
    assert sum(sizes.values()) < LAMBDA_LIMIT_BYTES, sizes


def test_the_core_layer_holds_the_library_and_its_openapi_document(built: Path, root: Path) -> None:
    assert [entry.name for entry in (built / "CoreLayer/python").iterdir()] == ["isthmus"]
    for source in (root / "layers/core/python/isthmus").rglob("*.py"):
        assert (built / "CoreLayer" / source.relative_to(root / "layers/core")).is_file()
    assert (built / "CoreLayer/python/isthmus/openapi.json").is_file()


@pytest.mark.parametrize("layer", ["base", "data"])
def test_a_layer_holds_exactly_what_its_lock_says(built: Path, root: Path, layer: str) -> None:
    pins = (root / f"layers/{layer}/requirements.txt").read_text().splitlines()
    locked = {line.split(" ")[0].replace("-", "_").lower() for line in pins if "==" in line}
    installed = (built / f"{layer.capitalize()}Layer/python").glob("*.dist-info")
    assert {path.stem.lower().replace("-", "==", 1) for path in installed} == locked


@pytest.mark.parametrize("layer", ["BaseLayer", "DataLayer"])
def test_a_layer_leaves_out_what_lambda_has_and_what_only_tests_need(built: Path, layer: str) -> None:
    inside = {entry.name for entry in (built / layer / "python").iterdir()}
    assert inside & set(IN_THE_RUNTIME) == set()
    assert [path for path in (built / layer).rglob("*") if path.is_dir() and path.name in ("tests", "bin")] == []


def test_every_binary_is_for_lambdas_processor(built: Path) -> None:
    binaries = [
        path for layer in ("BaseLayer", "DataLayer") for path in _files(built / layer) if ".so" in path.suffixes
    ]
    assert len(binaries) > 2
    for path in binaries:
        header = path.read_bytes()[:20]
        assert (header[:4], struct.unpack_from("<H", header, 18)[0]) == (b"\x7fELF", ELF_AARCH64), path


def test_what_is_compiled_is_compiled_for_lambdas_python_and_needs_no_look_at_its_source(built: Path) -> None:
    for path in built.rglob("*.pyc"):
        magic, flags = struct.unpack_from("<H2xI", path.read_bytes()[:8])
        assert (magic, flags) == (PYTHON_3_13_MAGIC, UNCHECKED_HASH), path


def test_either_everything_is_compiled_or_nothing(built: Path) -> None:
    compiled = {path.parent.parent / (path.name.split(".")[0] + ".py") for path in built.rglob("__pycache__/*.pyc")}
    sources = {path for path in built.rglob("*.py") if path.parts[-2] != "__pycache__"}
    assert compiled in (set(), sources)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())
