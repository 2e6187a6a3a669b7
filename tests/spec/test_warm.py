"""A mark is believed for exactly the content that was compiled, and for nothing else."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from engine.catalog import Catalog
from engine.errors import SpecError
from engine.locations import plugins_dir, schemas_dir
from engine.plugins import load_plugins
from engine.spec.warm import MARK, mark_of, warm_catalog
from tests.support import specs


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """Two specs, the schemas and the plugins, marked."""
    specs.catalog(tmp_path / "specs", specs.spec(), specs.spec(integration_id="acme-other"))
    (tmp_path / "specs" / "acme-other" / "logo.svg").write_text("<svg/>")
    shutil.copytree(schemas_dir(), tmp_path / "schemas")
    shutil.copytree(plugins_dir(), tmp_path / "plugins", ignore=shutil.ignore_patterns("__pycache__"))
    mark(tmp_path)
    return tmp_path


def _given(bundle: Path):
    plugins = bundle / "plugins"
    return [bundle / "specs"], load_plugins(plugins), bundle / "schemas", plugins


def mark(bundle: Path) -> None:
    (bundle / "specs" / MARK).write_bytes(mark_of(*_given(bundle)))


def opened(bundle: Path) -> Catalog:
    folders, registry, schemas, plugins = _given(bundle)
    return warm_catalog(folders, registry, schemas, plugins, bundle / "specs" / MARK)


def is_warm(catalog: Catalog) -> bool:
    return repr(catalog.integrations).endswith("are made")


def test_a_marked_bundle_compiles_a_spec_when_it_is_first_used(bundle):
    catalog = opened(bundle)
    assert repr(catalog.integrations) == "0 of 2 are made"
    assert (len(catalog.integrations), "acme-other" in catalog.integrations) == (2, True)
    assert list(catalog.integrations) == ["acme-other", specs.ID]
    first = catalog.integrations[specs.ID]
    assert catalog.integrations[specs.ID] is first
    assert repr(catalog.integrations) == "1 of 2 are made"
    with pytest.raises(KeyError):
        catalog.integrations["acme-none"]


def test_it_is_the_catalog_of_a_full_compile(bundle):
    warm = opened(bundle)
    (bundle / "specs" / MARK).unlink()
    full = opened(bundle)
    assert (is_warm(warm), is_warm(full)) == (True, False)
    for name, integration in full.integrations.items():
        for field in ("name", "version", "logo", "config_schema", "auth_methods"):
            assert getattr(warm.integrations[name], field) == getattr(integration, field)
        assert list(warm.integrations[name].actions) == list(integration.actions)


CHANGES = {
    "a spec is edited": lambda b: _append(b / "specs" / specs.ID / "spec.yaml", " "),
    "a spec is gone": lambda b: shutil.rmtree(b / "specs" / "acme-other"),
    "a spec is new": lambda b: specs.catalog(b / "specs", specs.spec(integration_id="acme-third")),
    "a logo is edited": lambda b: _append(b / "specs" / "acme-other" / "logo.svg", " "),
    "a logo is gone": lambda b: (b / "specs" / "acme-other" / "logo.svg").unlink(),
    "a schema is edited": lambda b: _append(b / "schemas" / "integration.schema.json", "\n"),
    "a model is edited": lambda b: _append(next((b / "schemas" / "models").glob("*.json")), "\n"),
    "a plugin is edited": lambda b: _append(next((b / "plugins").glob("[!_]*.py")), "\n"),
    "a plugin is new": lambda b: (b / "plugins" / "acme_new.py").write_text('"""Nothing."""\n'),
    "the mark is half written": lambda b: (b / "specs" / MARK).write_bytes((b / "specs" / MARK).read_bytes()[:31]),
    "the mark is empty": lambda b: (b / "specs" / MARK).write_bytes(b""),
    "the mark is a folder": lambda b: ((b / "specs" / MARK).unlink(), (b / "specs" / MARK).mkdir()),
}


def _append(path: Path, text: str) -> None:
    """The time of the file stays: it says nothing."""
    times = path.stat()
    with path.open("a") as file:
        file.write(text)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_whatever_changed_all_is_compiled_again(bundle, change):
    change(bundle)
    assert not is_warm(opened(bundle))


def test_times_of_files_say_nothing(bundle):
    for path in bundle.rglob("*"):
        os.utime(path, (0, 0))
    assert is_warm(opened(bundle))


def test_what_was_marked_is_compiled_whatever_becomes_of_the_file_meanwhile(bundle):
    catalog = opened(bundle)
    (bundle / "specs" / specs.ID / "spec.yaml").write_text("half a fi")
    assert catalog.integrations[specs.ID].integration_id == specs.ID


def test_specs_with_errors_get_no_mark_and_are_told_at_the_start(bundle):
    path = bundle / "specs" / specs.ID / "spec.yaml"
    spec = json.loads(path.read_text())
    path.write_text(json.dumps({**spec, "naem": "x"}))
    for work in (mark, opened):
        with pytest.raises(SpecError, match="naem"):
            work(bundle)
