"""Bodies of OTLP in JSON, read as OpenTelemetry's own messages: a field that these don't know, or one of another kind, is an error."""

import base64
import binascii
import json

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

# In JSON, OTLP has these in hexadecimal, where JSON of protocol buffers has base64.
HEXADECIMAL = {"traceId": 16, "spanId": 8, "parentSpanId": 8}


def parse(body: bytes) -> ExportTraceServiceRequest:
    """The message of one body; raises ValueError where it is none."""
    document = json.loads(body, object_pairs_hook=_object)
    return json_format.ParseDict(document, ExportTraceServiceRequest())


def _object(pairs: list) -> dict:
    found = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name} comes twice")
        if name in HEXADECIMAL:
            value = _base64(name, value)
        found[name] = value
    return found


def _base64(name: str, value: str) -> str:
    try:
        identifier = binascii.unhexlify(value)
    except binascii.Error as failure:
        raise ValueError(f"{name} is not hexadecimal") from failure
    if len(identifier) not in (0, HEXADECIMAL[name]):
        raise ValueError(f"{name} has {len(identifier)} bytes")
    return base64.b64encode(identifier).decode()
