"""The least webhook: a Flask view that reads the body and answers 204. It imports nothing else, to keep memory bare."""

from flask import Flask, request

app = Flask("bare", static_folder=None)


@app.post("/webhook")
def webhook() -> tuple[str, int]:
    """Read the body, and answer 204."""
    request.get_data(cache=False)
    return "", 204
