"""airbyte-cdk: the retriever of a declarative stream, one read of its single record per call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from airbyte_cdk.sources.declarative.concurrent_declarative_source import ConcurrentDeclarativeSource

from bench.contestants.job import BODY, HEADERS, PATH, Chunk, in_threads, result


def _manifest(origin: str) -> dict[str, Any]:
    body = {n: v if isinstance(v, str) else f"{{{{ {v} }}}}" for n, v in BODY.items() if v is not None}
    requester = {
        "type": "HttpRequester", "url_base": origin, "path": PATH, "http_method": "POST",
        "request_headers": dict(HEADERS), "request_body_json": body,
    }  # fmt: skip
    selector = {"type": "RecordSelector", "extractor": {"type": "DpathExtractor", "field_path": ["data"]}}
    schema = {"type": "object", "properties": {"total": {"type": "integer"}}}
    stream = {
        "type": "DeclarativeStream", "name": "fee", "primary_key": [],
        "retriever": {"type": "SimpleRetriever", "requester": requester, "record_selector": selector},
        "schema_loader": {"type": "InlineSchemaLoader", "schema": schema},
    }  # fmt: skip
    return {
        "version": "6.0.0", "type": "DeclarativeSource", "check": {"type": "CheckStream", "stream_names": ["fee"]},
        "streams": [stream], "spec": {"type": "Spec", "connection_specification": {"type": "object"}},
    }  # fmt: skip


@contextmanager
def opened(origin: str, width: int) -> Iterator[Chunk]:
    source = ConcurrentDeclarativeSource(catalog=None, config={}, state=None, source_config=_manifest(origin))
    partition: Any = next(iter(source.streams({})[0].generate_partitions()))
    retriever = partition._retriever

    def call() -> object:
        (record,) = retriever.read_records({}, None)
        return result({"data": record})

    with in_threads(call, width) as chunk:
        yield chunk
