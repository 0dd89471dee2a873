"""How the gateway takes a body: whole where its length is known, in bounded pieces where it is not."""

import asyncio
from types import SimpleNamespace

import pytest

from campaign.views.gateway import SMALL, Gateway

HEADERS = {"host": "localhost", "content-type": "application/x-www-form-urlencoded"}


class Body:
    """A body without end; remembers how it was asked for and what was answered."""

    def __init__(self):
        self.asked_whole = False
        self.given = 0
        self.status = 0

    async def __call__(self):
        self.asked_whole = True
        return b"a=1"

    async def __aiter__(self):
        while True:
            self.given += 4096
            yield b"x" * 4096

    def response_bytes(self, status, _headers, _body):
        self.status = status


def answer(environ, start_response):
    start_response("413 TOO LARGE" if int(environ["CONTENT_LENGTH"]) > SMALL else "200 OK", [])
    return [b""]


def send(headers):
    gateway = Gateway(answer, threads=1, recall=lambda _environ: None, may_send_much=lambda _environ: False)
    scope = SimpleNamespace(
        http_version="1.1", server="localhost:8000", client="127.0.0.1:5000", scheme="http", method="POST",
        path="/p/x/sign", query_string="", authority=None, headers=HEADERS | headers,
    )  # fmt: skip
    body = Body()
    asyncio.run(gateway.__rsgi__(scope, body))
    return body


def test_a_body_of_known_length_is_awaited_once():
    body = send({"content-length": "3"})

    assert (body.asked_whole, body.given, body.status) == (True, 0, 200)


@pytest.mark.parametrize("length", [{}, {"content-length": "3"}])
def test_a_body_in_chunks_is_read_no_further_than_its_limit_whatever_length_is_declared(length):
    body = send({"transfer-encoding": "chunked"} | length)

    assert (body.asked_whole, body.status) == (False, 413)
    assert SMALL < body.given <= SMALL + 4096
