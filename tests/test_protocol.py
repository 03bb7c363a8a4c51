"""docs/protocol.md is enough to write a master from: this one knows only that
page, and nothing here imports dpfw.
"""

import hmac
import re
import secrets
import socket
import subprocess
import sys
from contextlib import contextmanager
from os import environ

import pytest

HEX = "[0-9a-f]"


class Client:
    """A master, as docs/protocol.md has it."""

    def __init__(self, address, cookie):
        self.socket = socket.create_connection(address, 20)
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

    @staticmethod
    def proof(cookie, side, dialled, listened):
        text = f"dpfw proof 1\n{side}\n{dialled}\n{listened}\n"
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
def client(address, cookie=None):
    it = Client(address, cookie or environ["DPFW_COOKIE"])
    try:
        yield it
    finally:
        it.close()


@pytest.fixture(scope="module")
def address():
    """Where a slave listens."""
    with subprocess.Popen(
        [sys.executable, "-m", "dpfw.slave", "0", "--host", "127.0.0.1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        host, port = re.search(r"(\S+):(\d+)$", process.stdout.readline()).groups()
        yield host, int(port)
        process.terminate()


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
