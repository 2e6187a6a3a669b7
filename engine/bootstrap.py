"""From settings to a running engine: the only file that names an adapter."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from engine.catalog import Catalog
from engine.diagnostics import unknown
from engine.errors import SettingsError
from engine.library import LIBRARY
from engine.locations import plugins_dir, schemas_dir, specs_dir
from engine.plugins import Registry, load_plugins
from engine.runtime import egress
from engine.runtime.clock import Clock, SystemClock
from engine.runtime.execute import Engine
from engine.runtime.limits import Permits
from engine.runtime.send import Wires
from engine.runtime.transport import HttpTransport, Transport
from engine.settings import Settings
from engine.spec.load import load_catalog, spec_files
from engine.storage.ports import Store
from engine.telemetry.events import Fan, Observer


def open_registry() -> Registry:
    """All plugins of the project."""
    return load_plugins(plugins_dir(), reserved=LIBRARY)


def open_catalog(settings: Settings) -> Catalog:
    """All specs of the project and of the operator's own folders. Raises `SpecError`."""
    return load_catalog(spec_folders(settings), open_registry(), schemas_dir())


def spec_folders(settings: Settings) -> tuple[Path, ...]:
    """The project's specs and the operator's. Raises `SettingsError` for a folder without any."""
    for folder in settings.specs_dirs:
        if not spec_files([folder]):
            raise SettingsError(f"no spec in {folder}: a folder of specs holds <integrationId>/spec.yaml")
    return (specs_dir(), *settings.specs_dirs)


def open_storage(settings: Settings) -> Store:
    """Raises `SettingsError` when the settings or the master key do not fit the data."""
    if settings.storage != "sqlite":
        raise SettingsError(f"INTEGRATIONS_STORAGE={settings.storage} can't be used by this version; use sqlite")
    from engine.storage.sqlite import open_store

    return open_store(settings)


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
) -> Engine:
    """An engine as `serve` runs it; close it with `await engine.close()`."""
    catalog = catalog or open_catalog(settings)
    _check_upstreams(settings, catalog)
    overrides = dict(settings.upstreams if upstreams is None else upstreams)
    store = open_storage(settings)
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
    )
    return Engine(
        catalog,
        store,
        wires,
        budget_seconds=settings.time_budget_seconds,
        max_output_bytes=settings.max_output_bytes,
    )
