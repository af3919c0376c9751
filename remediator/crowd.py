"""How many notifications are there at this moment without an answer: what one part of the service sees, for another."""


class Crowd:
    """`size` is what the webhook's listener sees. One thread sets it; to read it no lock is needed."""

    def __init__(self) -> None:
        self.size = 0
