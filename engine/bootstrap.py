"""From settings to a running engine: the only file that names an adapter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any

from engine.catalog import Catalog
from engine.diagnostics import unknown
from engine.errors import SettingsError
from engine.library import LIBRARY
from engine.locations import plugins_dir, schemas_dir, specs_dir
from engine.plugins import Registry, load_plugins, read_plugins, run_plugins
from engine.runtime import egress
from engine.runtime.apps import Lent
from engine.runtime.clock import Clock, SystemClock
from engine.runtime.execute import Engine
from engine.runtime.limits import Permits
from engine.runtime.send import Wires
from engine.runtime.transport import HttpTransport, Transport
from engine.settings import Settings
from engine.spec.kept import Kept, compiler
from engine.spec.load import spec_paths
from engine.spec.warm import MARK, kept_catalog, mark_of, warm_catalog
from engine.storage.ports import Store
from engine.telemetry.events import Fan, Observer


def open_registry() -> Registry:
    """All plugins of the project."""
    return load_plugins(plugins_dir(), reserved=LIBRARY)


def open_catalog(settings: Settings) -> Catalog:
    """All specs of the project and of the operator's own folders. Raises `SpecError`."""
    return open_specs(spec_folders(settings), settings)


def open_specs(folders: Sequence[Path], settings: Settings) -> Catalog:
    """All specs below the folders; those that are known are compiled when first used. Raises `SpecError`."""
    kept = open_kept(settings)
    checked = _Checked(kept)
    plugins = cache(partial(run_plugins, read_plugins(plugins_dir()), LIBRARY, checked))
    catalog = kept_catalog(folders, plugins, schemas_dir(), kept)
    checked.keep()
    return catalog


class _Checked:
    """The plugins that are known to be pure. Nothing is kept where a start comes to nothing."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        self._new: list[bytes] = []

    def knows(self, source: bytes) -> bool:
        return self._kept.recall(self._kept.key(b"plugin", source)) is not None

    def note(self, source: bytes) -> None:
        self._new.append(source)

    def keep(self) -> None:
        for source in self._new:
            self._kept.keep(self._kept.key(b"plugin", source), b"pure")


def open_kept(settings: Settings) -> Kept:
    """What earlier processes found out about specs and cases, sealed by the newest master key where the operator gave
    one; the data folder is made for it, where it lies in there."""
    room = settings.data_dir if settings.cache_dir is None and settings.storage == "sqlite" else None
    secret = b"".join(settings.master_keys[:1])
    return Kept(settings.kept_in, compiler(schemas_dir(), plugins_dir()), room, secret)


def open_warm_catalog(settings: Settings) -> Catalog:
    """The same for a bundle; where `write_mark` has seen this content, a spec is compiled when it is first used."""
    folders = spec_folders(settings)
    return warm_catalog(folders, open_registry(), schemas_dir(), plugins_dir(), specs_dir() / MARK)


def write_mark(settings: Settings) -> Path:
    """Compiles all specs and marks them as good; where the mark is. Raises `SpecError`, `SettingsError`."""
    path = specs_dir() / MARK
    content = mark_of(spec_folders(settings), open_registry(), schemas_dir(), plugins_dir())
    try:
        path.write_bytes(content)
    except OSError as error:
        raise SettingsError(f"{path} can't be written: {error.strerror}") from None
    return path


def spec_folders(settings: Settings) -> tuple[Path, ...]:
    """The project's specs and the operator's. Raises `SettingsError` for a folder without any."""
    for folder in settings.specs_dirs:
        if next(spec_paths([folder]), None) is None:
            raise SettingsError(f"no spec in {folder}: a folder of specs holds <integrationId>/spec.yaml")
    return (specs_dir(), *settings.specs_dirs)


def open_storage(settings: Settings) -> Store:
    """Raises `SettingsError` when the settings or the master key do not fit the data."""
    if settings.storage == "aws":
        from engine.storage.aws import open_store as open_aws  # boto3 takes a third of a second

        return open_aws(settings)
    from engine.storage.sqlite import open_store

    return open_store(settings)


async def rotate_key_on_aws(settings: Settings) -> None:
    """A new master key in Secrets Manager. Raises `SettingsError`."""
    from engine.storage.aws import rotate_master_key

    await rotate_master_key(settings)


def is_in_use(data_dir: Path) -> bool | None:
    """Has another process the database of this folder open? None: there is no database."""
    from engine.storage.sqlite import DATABASE_FILE
    from engine.storage.sqlite.in_use import is_open_elsewhere

    path = data_dir / DATABASE_FILE
    return is_open_elsewhere(path) if path.exists() else None


def load_storage(settings: Settings) -> None:
    """Import what the store needs and open nothing: while a process starts, not while its first call waits."""
    for name in ("engine.storage.aws", "boto3.session") if settings.storage == "aws" else ("engine.storage.sqlite",):
        import_module(name)


def open_observer(*own: Observer) -> Observer:
    """These observers, and OpenTelemetry where it is installed and the deployer set it up."""
    try:
        from engine.telemetry.otel import observers
    except ModuleNotFoundError:
        return Fan(own)
    return Fan((*own, *observers()))


def _check_upstreams(settings: Settings, catalog: Catalog) -> None:
    """A misspelt override would send calls to the real provider."""
    for name in settings.upstreams:
        if name not in catalog.integrations:
            what, hint = unknown("integration", name, catalog.integrations)
            raise SettingsError(f"INTEGRATIONS_UPSTREAMS: {what} ({hint})")


async def open_engine(
    settings: Settings,
    *,
    catalog: Catalog | None = None,
    transport: Transport | None = None,
    clock: Clock | None = None,
    upstreams: Mapping[str, str] | None = None,
    observer: Observer | None = None,
    apps: Mapping[str, Mapping[str, Any]] | None = None,
) -> Engine:
    """An engine as `serve` runs it; close it with `await engine.close()`. `apps`: in place of the operator's own."""
    catalog = catalog or open_catalog(settings)
    _check_upstreams(settings, catalog)
    overrides = dict(settings.upstreams if upstreams is None else upstreams)
    store = open_storage(settings)
    if apps:
        store = replace(store, secrets=Lent(store.secrets, apps))
    wires = Wires(
        transport=transport
        or HttpTransport(exempt=egress.origins(overrides), allow_private=settings.allow_private or settings.sandbox),
        state=store.state,
        permits=Permits(store.state),
        clock=clock or SystemClock(),
        upstreams=overrides,
        max_answer_bytes=settings.max_answer_bytes,
        tenant_calls_per_minute=settings.tenant_calls_per_minute,
        signers=catalog.signers,
        observer=observer,
        refreshers=catalog.refreshers,
    )
    return Engine(
        catalog,
        store,
        wires,
        budget_seconds=settings.time_budget_seconds,
        max_output_bytes=settings.max_output_bytes,
        public_url=settings.public_url,
    )
