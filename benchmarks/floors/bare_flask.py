"""A Flask view that reads the body and answers 204: everything that a webhook cannot do without, and nothing else.

It imports nothing more, so that what a process with it holds of the memory is Flask's and gunicorn's.
"""

from flask import Flask, request

app = Flask("bare", static_folder=None)


@app.post("/webhook")
def webhook() -> tuple[str, int]:
    """Read the body, as whoever wants to parse it has to."""
    request.get_data(cache=False)
    return "", 204
