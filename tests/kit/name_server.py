"""A DNS server of a test's own, on a port of 127.0.0.1."""

import contextlib
import socket
import threading
from collections.abc import Iterator, Mapping

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset


class Answers(threading.Thread):
    """Answers by UDP from a table of names and kinds; a name of which it knows nothing does not exist."""

    def __init__(self, records: Mapping[tuple[str, str], list[str]]) -> None:
        super().__init__(daemon=True)
        self.records = dict(records)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]

    def run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                data, client = self.socket.recvfrom(4096)
                if not data:
                    return
                self.socket.sendto(self._answer(dns.message.from_wire(data)).to_wire(), client)

    def _answer(self, asked: dns.message.Message) -> dns.message.Message:
        question = asked.question[0]
        name, kind = question.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(question.rdtype)
        answer = dns.message.make_response(asked)
        if found := self.records.get((name, kind)):
            answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *found))
        elif not any(known == name for known, _ in self.records):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer

    def end(self) -> None:
        """Stop answering."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", self.port))
        self.join(timeout=30)
        self.socket.close()


@contextlib.contextmanager
def name_server(records: Mapping[tuple[str, str], list[str]]) -> Iterator[str]:
    """Run one; yields its ``host:port``."""
    server = Answers(records)
    server.start()
    try:
        yield f"127.0.0.1:{server.port}"
    finally:
        server.end()
