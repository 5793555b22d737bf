"""Opens a tub with donkeycar's own classes: python donkeycar_tub.py TUB. It prints what they read, and appends a record."""

from __future__ import annotations

import json
import sys

import numpy as np
from donkeycar.config import Config
from donkeycar.parts.tub_v2 import Tub
from donkeycar.pipeline.types import TubDataset, TubRecord

path = sys.argv[1]
config = Config()
config.IMAGE_DEPTH, config.IMAGE_H, config.IMAGE_W = 3, 120, 160

tub = Tub(path, read_only=True)
records = [TubRecord(config, path, each) for each in tub]
read = {
    "length": len(tub),
    "shapes": sorted({record.image().shape for record in records}),
    "throttles": [record.underlying["user/throttle"] for record in records],
    "angles": [record.underlying["user/angle"] for record in records],
    "indexes": [record.underlying["_index"] for record in records],
}
tub.close()
dataset = TubDataset(config, [path])
read["dataset"] = len(dataset.get_records())
dataset.close()

more = Tub(path, inputs=tub.inputs, types=tub.types)
frame = np.zeros((120, 160, 3), dtype=np.uint8)
more.write_record({"cam/image_array": frame, "user/angle": 0.1, "user/throttle": 0.2, "user/mode": "user"})
more.close()
again = Tub(path, read_only=True)
read["appended"] = [each["_session_id"] for each in again][-1]
read["appended length"] = len(again)
again.close()
print("READ " + json.dumps(read))
