"""The least service that could act: a Flask view around the floor's GET and PATCH.

It reads no alert, decides nothing and records nothing. What it costs over the floor is the way in and out over HTTP.
"""

import json
import os

from flask import Flask, request

from benchmarks.floors.floor import FLOOR, Floor

_arguments = json.loads(os.environ[FLOOR])
_path = _arguments.pop("path")
_floor = Floor(**_arguments)

app = Flask("bare", static_folder=None)


@app.post("/webhook")
def webhook() -> tuple[str, int]:
    """Act, if there is a body."""
    if request.get_data(cache=False):
        _floor.act(_path)
    return "", 204
