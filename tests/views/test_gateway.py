"""How the gateway takes a body: whole where its length is known, in bounded pieces where it is not."""

import asyncio
from types import SimpleNamespace

import pytest

from campaign.views.gateway import MANY, SMALL, Gateway

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


class Whole:
    """A body of known length, which comes when it is let."""

    def __init__(self, length):
        self.length = length
        self.let = asyncio.Event()
        self.begun_event = asyncio.Event()
        self.status = 0
        self.headers = {}

    @property
    def begun(self):
        return self.begun_event.is_set()

    async def __call__(self):
        self.begun_event.set()
        await self.let.wait()
        return b"x" * self.length

    async def __aiter__(self):
        yield await self()

    def response_bytes(self, status, headers, _body):
        self.status = status
        self.headers = dict(headers)


def size(environ, start_response):
    start_response(f"200 {len(environ['wsgi.input'].read())}", [])
    return [b""]


def hook_gateway():
    return Gateway(
        size, threads=1, recall=lambda _environ: None, may_send_much=lambda _environ: False,
        room=lambda environ: 4 * SMALL if environ["PATH_INFO"] == "/hooks/ses" else 0,
    )  # fmt: skip


def post(path, headers):
    return SimpleNamespace(
        http_version="1.1", server="localhost:8000", client="127.0.0.1:5000", scheme="http", method="POST",
        path=path, query_string="", authority=None, headers=HEADERS | headers,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("path", "length", "is_read"),
    [("/hooks/ses", 4 * SMALL, True), ("/hooks/ses", 4 * SMALL + 1, False), ("/p/x/sign", SMALL + 1, False)],
)
def test_an_address_with_more_room_takes_more_of_anybody_and_no_other_does(path, length, is_read):
    body = Whole(length)
    body.let.set()

    asyncio.run(hook_gateway().__rsgi__(post(path, {"content-length": str(length)}), body))

    assert body.begun == is_read


def test_a_hook_takes_a_large_body_in_chunks_too():
    body = Whole(3 * SMALL)
    body.let.set()

    asyncio.run(hook_gateway().__rsgi__(post("/hooks/ses", {"transfer-encoding": "chunked"}), body))

    assert (body.begun, body.status) == (True, 200)


def test_few_large_bodies_of_strangers_are_held_and_small_ones_always_pass():
    async def rush():
        gateway, large = hook_gateway(), [Whole(2 * SMALL) for _ in range(MANY)]
        scope = post("/hooks/ses", {"content-length": str(2 * SMALL)})
        tasks = [asyncio.ensure_future(gateway.__rsgi__(scope, body)) for body in large]
        await asyncio.gather(*(body.begun_event.wait() for body in large))
        more, small, later = Whole(2 * SMALL), Whole(10), Whole(2 * SMALL)
        small.let.set()
        later.let.set()
        await gateway.__rsgi__(scope, more)
        await gateway.__rsgi__(post("/hooks/ses", {"content-length": "10"}), small)
        for body in large:
            body.let.set()
        await asyncio.gather(*tasks)
        await gateway.__rsgi__(scope, later)
        return large, more, small, later

    large, more, small, later = asyncio.run(rush())

    assert {body.status for body in (*large, small, later)} == {200}
    assert (more.status, more.headers["retry-after"], more.begun) == (503, "30", False)


def noted(gateway_of, headers, *, path="/p/x", method="GET", exchange=None):
    """What a gateway notes of one request: route, method, status."""
    notes = []
    gateway = gateway_of(lambda environ, status, seconds: notes.append((environ, status, seconds)))
    scope = SimpleNamespace(
        http_version="1.1", server="localhost:8000", client="127.0.0.1:5000", scheme="http", method=method,
        path=path, query_string="", authority=None, headers=HEADERS | headers,
    )  # fmt: skip
    raised = None
    try:
        asyncio.run(gateway.__rsgi__(scope, exchange or Body()))
    except ZeroDivisionError as error:
        raised = error
    [(environ, status, seconds)] = notes
    assert 0 <= seconds < 60
    return environ.get("countersign.route", "none"), environ["REQUEST_METHOD"], status, raised is not None


def serving(application, *, recall=lambda _environ: None, **more):
    def make(note):
        return Gateway(application, threads=1, recall=recall, may_send_much=lambda _: False, note=note, **more)

    return make


def test_each_answer_is_noted_once_with_the_route_that_the_application_found():
    def routed(environ, start_response):
        environ["countersign.route"] = "/p/<slug>"
        start_response("303 SEE OTHER", [])
        return [b""]

    assert noted(serving(routed), {}) == ("/p/<slug>", "GET", 303, False)


def test_an_answer_from_the_page_cache_is_noted_too():
    def recall(environ):
        environ["countersign.route"] = "/p/<slug>"
        return 304, [], [b""]

    assert noted(serving(answer, recall=recall), {}) == ("/p/<slug>", "GET", 304, False)


def test_a_body_that_does_not_come_in_time_is_noted_as_408_though_no_application_saw_it():
    gateway_of = serving(answer, body_within=0.05)

    found = noted(gateway_of, {"content-length": "3"}, method="POST", exchange=Whole(3))

    assert found == ("none", "POST", 408, False)


def test_an_application_that_breaks_is_noted_as_500():
    def broken(_environ, _start_response):
        return 1 / 0

    assert noted(serving(broken), {}) == ("none", "GET", 500, True)


def test_an_answer_in_pieces_is_noted_when_it_begins():
    class Slow(Body):
        def response_stream(self, _status, _headers):
            return self

        async def send_bytes(self, _data):
            await asyncio.sleep(0)

    def pieces(_environ, start_response):
        start_response("200 OK", [])
        return iter([b"a", b"b"])

    assert noted(serving(pieces), {}, exchange=Slow()) == ("none", "GET", 200, False)
