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

    def __init__(self, address, cookie, tls=False, role="master", about=None):
        self.socket = socket.create_connection(address, 20)
        if tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self.socket = context.wrap_socket(self.socket)
            certificate = self.socket.getpeercert(binary_form=True)
            self.binding = hashlib.sha256(certificate).hexdigest()
        self.file = self.socket.makefile("rb")
        words = " about" if about else ""
        dialled = self.hello(role, words)
        self.send(dialled + "\n")
        line = self.line()
        found = re.fullmatch(
            rf'(\(dpfw 1 slave "{HEX}{{32}}" "{HEX}{{32}}"{words})'
            rf' "({HEX}{{64}})"\)',
            line,
        )
        assert found, line
        ends = (dialled, found[1] + ")")
        self.trusted = found[2] == self.proof(cookie, "listener", *ends)
        # A careful client hangs up here if that is not so.
        self.send(f'(proof "{self.proof(cookie, "dialler", *ends)}")\n')
        if about:
            self.send(about + "\n")
            self.about = self.line()

    @staticmethod
    def hello(role, words=""):
        session, nonce = secrets.token_hex(16), secrets.token_hex(16)
        return f'(dpfw 1 {role} "{session}" "{nonce}"{words})'

    def proof(self, cookie, side, dialled, listened):
        text = f"dpfw proof 1\n{side}\n{dialled}\n{listened}\n{self.binding}"
        return hmac.new(cookie.encode(), text.encode(), "sha256").hexdigest()

    def send(self, text):
        self.socket.sendall(text.encode())

    def line(self):
        return self.file.readline().decode().removesuffix("\n")

    def send_frame(self, kind, number, payload=""):
        self.send(f"({kind} {number} {len(payload.encode())})\n{payload}")

    def frame(self):
        header = self.line()
        number = "(0|[1-9][0-9]*)"
        kind, task, length = re.fullmatch(
            rf"\(([a-z]+) {number} {number}\)", header
        ).groups()
        return kind, int(task), self.file.read(int(length)).decode()

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
        master.send_frame("task", 1, "(fn [i o] (+ 2 3))")
        assert master.frame() == ("end", 1, "5")
        master.send_frame("values", 2, '21\n"a"')
        master.send_frame("task", 2, "(fn [i o] [(* 2 (value$0)) (value$1)])")
        assert master.frame() == ("end", 2, '[42 "a"]')


def test_data_both_ways_and_eof(address):
    with client(address) as master:
        master.send_frame(
            "task", 1, "(fn [i o] (for [x i] (write (len x) o) (.flush o)))"
        )
        master.send_frame("data", 1, "one\ntwo")
        assert master.frame() == ("data", 1, "4\n")
        master.send_frame("data", 1, "fold\n")
        assert master.frame() == ("data", 1, "8\n")
        master.send_frame("eof", 1)
        assert master.frame() == ("end", 1, "None")


def test_a_failure(address):
    with client(address) as master:
        master.send_frame("task", 1, "(fn [i o] (/ 1 0))")
        kind, number, payload = master.frame()
        assert (kind, number) == ("error", 1)
        assert '"type" "ZeroDivisionError"' in payload
        assert '"message" "division by zero"' in payload


PRINTS = """(fn [i o]
  (print "one")
  (print "two \\"2\\"\\x1b" :end "")
  (.warning (hy.I.logging.getLogger "mine") "three")
  5)"""


def test_output_for_who_asks(address):
    with client(address, about='{"output" True}') as master:
        assert re.search('"host" "[^"]+"', master.about)
        master.send_frame("task", 1, PRINTS)
        frames = [master.frame()]
        while frames[-1][0] == "output":
            frames.append(master.frame())
        assert frames.pop() == ("end", 1, "5")
        assert {frame[:2] for frame in frames} == {("output", 1)}
        assert [frame[2] for frame in frames] == [
            r'["stdout" "one\n"]',
            '["log" "mine" 30 "three" ""]',
            r'["stdout" "two \"2\"\u001b"]',
        ]


@pytest.mark.parametrize("about", [None, "{}", '{"output" False}'])
def test_no_output_for_others(address, about):
    with client(address, about=about) as master:
        master.send_frame("task", 1, PRINTS)
        assert master.frame() == ("end", 1, "5")


def test_cancel_and_what_comes_late(address):
    with client(address) as master:
        master.send_frame("task", 1, "(fn [i o] (read i))")
        master.send_frame("cancel", 1)
        kind, number, payload = master.frame()
        assert (kind, number, "Interrupted" in payload) == ("error", 1, True), payload
        late = [("cancel", ""), ("eof", ""), ("data", "late\n")]
        for kind, payload in late:
            master.send_frame(kind, 1, payload)
        master.send_frame("task", 2, "(fn [i o] (* (read i) 7))")
        for kind, payload in late:
            master.send_frame(kind, 1, payload)
        master.send_frame("data", 2, "6\n")
        assert master.frame() == ("end", 2, "42")


def ends(master):
    """Whether the slave hangs up without another frame."""
    return master.line() == ""


@pytest.mark.parametrize(
    "frame",
    [
        ("task", 2, "(fn [i o] 1)"),  # the first is 1
        ("task", 0, "(fn [i o] 1)"),
        ("values", 2, "5"),
        ("cancel", 1),  # no such task was there
        ("data", 1, "x"),
        ("eof", 0),
        ("end", 1, "5"),  # a slave's
        ("error", 1, "{}"),
        ("output", 1, "x"),
        ("status", 1),  # a watcher's
    ],
)
def test_a_frame_that_has_no_place_ends_the_session(address, frame):
    with client(address) as master:
        master.send_frame(*frame)
        assert ends(master)


@pytest.mark.parametrize(
    "frame",
    [
        ("task", 2, "(fn [i o] 1)"),  # while the first runs
        ("task", 1, "(fn [i o] 1)"),
        ("values", 2, "5"),
        ("cancel", 2),
        ("data", 3, "x"),
        ("eof", 1, "not empty"),
        ("cancel", 1, "not empty"),
        ("end", 1, "5"),
    ],
)
def test_so_does_one_in_the_middle_of_a_task(address, frame):
    with client(address) as master:
        master.send_frame("task", 1, "(fn [i o] (read i))")
        master.send_frame(*frame)
        assert ends(master)


def test_a_watcher_is_told_while_a_task_runs(address):
    with client(address) as master, client(address, role="watcher") as watcher:
        master.send_frame("task", 1, '(fn [i o] (write "here" o) (read i))')
        assert master.frame() == ("data", 1, '"here"\n')
        for number in (1, 2):
            watcher.send_frame("status", number)
            kind, answered, status = watcher.frame()
            assert (kind, answered) == ("end", number)
            assert '"role" "slave"' in status
            assert '"state" "busy"  "task" 1' in status
        master.send_frame("eof", 1)


@pytest.mark.parametrize(
    "frame",
    [
        ("task", 1, "(fn [i o] 1)"),  # a master's
        ("status", 2),  # the first is 1
        ("status", 1, "not empty"),
        ("kill", 0),
    ],
)
def test_a_watcher_may_do_nothing_else(address, frame):
    with client(address, role="watcher") as watcher:
        watcher.send_frame(*frame)
        assert ends(watcher)


def test_values_come_once_before_their_task(address):
    with client(address) as master:
        master.send_frame("values", 1, "5")
        master.send_frame("values", 1, "6")
        assert ends(master)


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
        master.send("(data 1 1048577)\n")
        assert ends(master)


@pytest.mark.parametrize(
    "header",
    ["(task 18)", "(task 1 018)", "(task 01 18)", "(task -1 18)", "(task 1  18)"],
)
def test_a_header_of_another_form_ends_the_session(address, header):
    with client(address) as master:
        master.send(header + "\n(fn [i o] (+ 2 3))")
        assert ends(master)


def test_kill():
    with slave("127.0.0.1") as (process, address), client(address) as master:
        master.send_frame("task", 1, "(fn [i o] (read i))")
        master.send_frame("kill", 0)
        assert process.wait(20) == -signal.SIGKILL


@pytest.mark.skipif(not address_beyond_loopback(), reason="there is no network")
def test_tls():
    with slave(address_beyond_loopback()) as (_, address):
        with client(address, tls=True) as master:
            assert master.trusted
            master.send_frame("task", 1, "(fn [i o] (+ 2 3))")
            assert master.frame() == ("end", 1, "5")
        with socket.create_connection(address, 20) as plain:
            plain.sendall(Client.hello("master").encode() + b"\n")
            with plain.makefile("rb") as said:
                assert b"TLS" in said.readline()
