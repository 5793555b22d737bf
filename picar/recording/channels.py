"""The channels of a recording, in the order of their ids in `messages.py`. Only recorder and readers load this file.

`schemas.json` has the JSON Schema of each channel, which names every key and its unit; `title` is the name of the schema.
"""

from __future__ import annotations

import json
from pathlib import Path

from picar.recording.mcap import Topic

# foxglove.CompressedImage and google.protobuf.Timestamp as a FileDescriptorSet (descriptor.proto): no .proto file is read.
_IMAGE = (
    b'\ng\n\x1fgoogle/protobuf/timestamp.proto\x12\x0fgoogle.protobuf"+\n\tTimestamp\x12\x0f\n\x07seconds\x18\x01 \x01(\x03'
    b"\x12\r\n\x05nanos\x18\x02 \x01(\x05b\x06proto3\n\xc5\x01\n\x1efoxglove/CompressedImage.proto\x12\x08foxglove\x1a\x1f"
    b'google/protobuf/timestamp.proto"p\n\x0fCompressedImage\x12-\n\ttimestamp\x18\x01 \x01(\x0b2\x1a.google.protobuf.'
    b"Timestamp\x12\x10\n\x08frame_id\x18\x04 \x01(\t\x12\x0c\n\x04data\x18\x02 \x01(\x0c\x12\x0e\n\x06format\x18\x03 "
    b"\x01(\tb\x06proto3"
)
_SCHEMAS = Path(__file__).with_name("schemas.json")


def topics() -> list[Topic]:
    """Return the channels."""
    found = [
        Topic(topic, schema["title"], "json", "jsonschema", json.dumps(schema).encode())
        for topic, schema in json.loads(_SCHEMAS.read_bytes()).items()
    ]
    return [*found, Topic("/camera", "foxglove.CompressedImage", "protobuf", "protobuf", _IMAGE)]
