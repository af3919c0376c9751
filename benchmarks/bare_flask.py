"""The least that Flask under gunicorn can be: a view that takes a body and answers 204. A baseline, run by gunicorn."""

from flask import Flask, request

app = Flask("bare", static_folder=None)


@app.post("/webhook")
def webhook() -> tuple[str, int]:
    """Read the body, as whoever wants to parse it has to."""
    request.get_data(cache=False)
    return "", 204
