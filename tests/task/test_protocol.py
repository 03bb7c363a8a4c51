"""docs/protocol.md is enough to write a master from: this one knows only that
page, and nothing here imports dpfw.
"""

import hashlib
import hmac
import re
import secrets
import signal
import socket
import ssl
import subprocess
import sys
from contextlib import contextmanager
from os import environ

import pytest

HEX = "[0-9a-f]"


class Client:
    """A master, as docs/protocol.md has it."""

    binding = ""

    def __init__(self, address, cookie, tls=False):
        self.socket = socket.create_connection(address, 20)
        if tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self.socket = context.wrap_socket(self.socket)
            certificate = self.socket.getpeercert(binary_form=True)
            self.binding = hashlib.sha256(certificate).hexdigest()
        self.file = self.socket.makefile("rb")
        dialled = self.hello("master")
        self.send(dialled + "\n")
        line = self.line()
        found = re.fullmatch(
            rf'(\(dpfw 1 slave "{HEX}{{32}}" "{HEX}{{32}}") "({HEX}{{64}})"\)', line
        )
        assert found, line
        ends = (dialled, found[1] + ")")
        self.trusted = found[2] == self.proof(cookie, "listener", *ends)
        # A careful client hangs up here if that is not so.
        self.send(f'(proof "{self.proof(cookie, "dialler", *ends)}")\n')

    @staticmethod
    def hello(role):
        return f'(dpfw 1 {role} "{secrets.token_hex(16)}" "{secrets.token_hex(16)}")'

    def proof(self, cookie, side, dialled, listened):
        text = f"dpfw proof 1\n{side}\n{dialled}\n{listened}\n{self.binding}"
        return hmac.new(cookie.encode(), text.encode(), "sha256").hexdigest()

    def send(self, text):
        self.socket.sendall(text.encode())

    def line(self):
        return self.file.readline().decode().removesuffix("\n")

    def send_frame(self, kind, payload=""):
        self.send(f"({kind} {len(payload.encode())})\n{payload}")

    def frame(self):
        header = self.line()
        kind, length = re.fullmatch(r"\(([a-z]+) (0|[1-9][0-9]*)\)", header).groups()
        return kind, self.file.read(int(length)).decode()

    def close(self):
        self.file.close()
        self.socket.close()


@contextmanager
def client(address, cookie=None, **options):
    it = Client(address, cookie or environ["DPFW_COOKIE"], **options)
    try:
        yield it
    finally:
        it.close()


@contextmanager
def slave(host):
    """A slave process; gives it and the address where it listens."""
    with subprocess.Popen(
        [sys.executable, "-m", "dpfw.slave", "0", "--host", host],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            port = re.search(r":(\d+)$", process.stdout.readline())[1]
            yield process, (host, int(port))
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def address():
    with slave("127.0.0.1") as (_, address):
        yield address


def address_beyond_loopback():
    """An address of this machine that counts as another machine's, or None."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as it:
        try:
            it.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            return None
        host = it.getsockname()[0]
    return None if host.startswith("127.") else host


def test_a_task(address):
    with client(address) as master:
        assert master.trusted
        master.send_frame("task", "(fn [i o] (+ 2 3))")
        assert master.frame() == ("end", "5")


def test_data_both_ways_and_eof(address):
    with client(address) as master:
        master.send_frame("task", "(fn [i o] (for [x i] (write (len x) o) (.flush o)))")
        master.send_frame("data", "one\ntwo")
        assert master.frame() == ("data", "4\n")
        master.send_frame("data", "fold\n")
        assert master.frame() == ("data", "8\n")
        master.send_frame("eof")
        assert master.frame() == ("end", "None")


def test_a_failure(address):
    with client(address) as master:
        master.send_frame("task", "(fn [i o] (/ 1 0))")
        kind, payload = master.frame()
        assert kind == "error"
        assert '"type" "ZeroDivisionError"' in payload
        assert '"message" "division by zero"' in payload


def test_cancel_and_what_is_left_between_tasks(address):
    with client(address) as master:
        master.send_frame("task", "(fn [i o] (read i))")
        master.send_frame("cancel")
        kind, payload = master.frame()
        assert (kind, "Interrupted" in payload) == ("error", True), payload
        for kind in ("cancel", "eof", "data"):
            master.send_frame(kind)
        master.send_frame("task", "(fn [i o] (* 6 7))")
        assert master.frame() == ("end", "42")


def test_a_wrong_cookie(address):
    with client(address, "some other cookie") as master:
        assert not master.trusted
        refused = re.fullmatch(r'\(refused "(.*)"\)', master.line())
        assert "cookies differ" in refused[1]
        assert master.line() == ""


def test_no_handshake_at_all(address):
    with socket.create_connection(address, 20) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
        with stranger.makefile("rb") as said:
            assert re.fullmatch(rb'\(refused "[ !#-\[\]-~]{0,400}"\)\n', said.read())


def test_a_frame_beyond_the_limit_ends_the_session(address):
    with client(address) as master:
        master.send("(data 1048577)\n")
        assert master.line() == ""


def test_kill():
    with slave("127.0.0.1") as (process, address), client(address) as master:
        master.send_frame("task", "(fn [i o] (read i))")
        master.send_frame("kill")
        assert process.wait(20) == -signal.SIGKILL


@pytest.mark.skipif(not address_beyond_loopback(), reason="there is no network")
def test_tls():
    with slave(address_beyond_loopback()) as (_, address):
        with client(address, tls=True) as master:
            assert master.trusted
            master.send_frame("task", "(fn [i o] (+ 2 3))")
            assert master.frame() == ("end", "5")
        with socket.create_connection(address, 20) as plain:
            plain.sendall(Client.hello("master").encode() + b"\n")
            with plain.makefile("rb") as said:
                assert b"TLS" in said.readline()
