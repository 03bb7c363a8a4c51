"""Light slaves: thousands of connections that are slaves as docs/protocol.md has them, in
one process. Nothing here imports dpfw.

They know no Hy. What they answer to a task is 5, as `(fn [i o] (+ 2 3))` asks for; a chunk
of a call over a collection they give back as it is; and a number of seconds in the text,
as in `(hy.I.time.sleep 0.5)`, is how long they take.
"""

import asyncio
import hashlib
import hmac
import json
import os
import random
import re
import resource
import secrets
import signal
import ssl
import subprocess
import sys
import threading

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 15.0  # seconds between dials
HEADER = re.compile(rb"\(([a-z]+) ([0-9]+) ([0-9]+)\)\n")
SLEEP = re.compile(rb"sleep ([0-9.]+)")
HELLO = re.compile(r'(\(dpfw 1 master "\w+" "\w+"( about)?) "(\w{64})"\)')


class Slave(asyncio.Protocol):
    def __init__(self, crowd, name, session):
        self.crowd = crowd
        self.name = name
        self.session = session
        self.buffer = b""
        self.values = None
        self.greeted = False
        self.on_line = self.hear_hello

    def connection_made(self, transport):
        self.transport = transport
        self.binding = ""
        if tls := transport.get_extra_info("ssl_object"):
            certificate = tls.getpeercert(True)
            self.binding = hashlib.sha256(certificate).hexdigest()
        self.dialled = (
            f'(dpfw 1 slave "{self.session}" "{secrets.token_hex(16)}" about)'
        )
        self.say(self.dialled)

    def say(self, line):
        self.transport.write(line.encode() + b"\n")

    # The handshake, a line at a time

    def hear_hello(self, line):
        found = HELLO.fullmatch(line)
        if not found:
            return self.give_up(line)
        ends = (self.dialled, found[1] + ")")
        if not hmac.compare_digest(found[3], self.proof("listener", *ends)):
            return self.give_up("its proof is wrong")
        self.say(f'(proof "{self.proof("dialler", *ends)}")')
        self.say(f'{{"name" "{self.name}" "leave" True}}')
        self.on_line = self.hear_about

    def hear_about(self, line):
        if line.startswith("(refused"):
            return self.give_up(line)
        self.greeted = True
        self.crowd.note("joined", 1)

    def give_up(self, why):
        self.crowd.refusals.append(why)
        self.transport.abort()

    def proof(self, side, dialled, listened):
        text = f"dpfw proof 1\n{side}\n{dialled}\n{listened}\n{self.binding}"
        return hmac.new(self.crowd.cookie, text.encode(), "sha256").hexdigest()

    # Frames

    def data_received(self, data):
        self.buffer += data
        while not self.greeted:
            line, end, rest = self.buffer.partition(b"\n")
            if not end or self.transport.is_closing():
                return
            self.buffer = rest
            self.on_line(line.decode())
        while header := HEADER.match(self.buffer):
            end = header.end() + int(header[3])
            if len(self.buffer) < end:
                return
            payload = self.buffer[header.end() : end]
            self.buffer = self.buffer[end:]
            self.take(header[1], header[2], payload)

    def take(self, kind, number, payload):
        if kind == b"values":
            self.values = payload
        elif kind == b"task":
            values, self.values = self.values, None
            if sleep := SLEEP.search(payload):
                loop = asyncio.get_running_loop()
                loop.call_later(float(sleep[1]), self.answer, number, values)
            else:
                self.answer(number, values)
        elif kind == b"leave":
            self.crowd.leaves += 1

    def answer(self, number, values):
        if values is None:
            return self.send(b"end", number, b"5")
        columns = values.partition(b"\n")[0]  # [[item item ...]]
        self.transport.write(
            frame(b"data", number, columns[1:-1] + b"\n")
            + frame(b"end", number, b"0.001")
        )

    def send(self, kind, number, payload):
        self.transport.write(frame(kind, number, payload))

    def connection_lost(self, error):
        if self.greeted:
            self.crowd.note("joined", -1)
        self.crowd.lost(self)


def frame(kind, number, payload):
    return b"(%s %s %d)\n%s" % (kind, number, len(payload), payload)


class Crowd:
    """So many slaves of one address, which dial it all at once, and again when they lose
    it. `report` is called when all are there, with how they came: see `tell`."""

    def __init__(self, host, port, cookie, n, tls=False, name="light", report=None):
        self.address = (host, port)
        self.cookie = cookie.encode()
        self.n = n
        self.name = name
        self.report = report
        self.context = insecure_context() if tls else None
        self.joined = 0
        self.dials = 0
        self.refusals = []
        self.hang_ups = 0  # during the handshake
        self.leaves = 0
        self.moments = []  # of all dials
        self.tasks = set()

    async def run(self):
        self.loop = asyncio.get_running_loop()
        self.over = asyncio.Event()
        for i in range(self.n):
            session = secrets.token_hex(16)
            self.start(self.dial(f"{self.name}-{i}", session, FIRST_PAUSE, True))
        await self.over.wait()

    def start(self, work):
        task = self.loop.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def dial(self, name, session, longest, at_once=False):
        while True:
            if not at_once:
                await asyncio.sleep(random.uniform(longest / 2, longest))
            at_once = False
            longest = min(2 * longest, LONGEST_PAUSE)
            self.dials += 1
            self.moments.append(self.loop.time())
            slave = Slave(self, name, session)
            slave.longest = longest
            try:
                await self.loop.create_connection(
                    lambda: slave, *self.address, ssl=self.context
                )
                return
            except OSError:  # TLS's errors, too
                pass

    def lost(self, slave):
        if not slave.greeted:
            self.hang_ups += 1
        longest = FIRST_PAUSE if slave.greeted else slave.longest
        self.start(self.dial(slave.name, slave.session, longest))

    def note(self, what, by):
        self.joined += by
        if self.joined == self.n and by > 0 and self.report:
            self.report(self.tell())
        if self.joined == 0 and by < 0:
            # What is told next is of those who come again.
            self.dials = self.hang_ups = 0
            self.moments.clear()

    def tell(self):
        moments = sorted(self.moments)
        return {
            "dials": self.dials,
            "hang-ups": self.hang_ups,
            "refusals": self.refusals[:3],
            "most dials in 0.1 s": most_within(moments, 0.1),
        }


def most_within(moments, seconds):
    """The most of these sorted moments that lie within so many seconds."""
    most = start = 0
    for end, moment in enumerate(moments):
        while moment - moments[start] > seconds:
            start += 1
        most = max(most, end - start + 1)
    return most


def insecure_context():
    # The certificate vouches for nobody; the proofs are bound to it.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class Process:
    """A process of crowds, as who started it sees it: what it says and is told are JSON, a
    line each. It ends with this context."""

    def __init__(self, crowds):
        self.process = subprocess.Popen(
            [getattr(sys.modules.get("hy"), "sys_executable", sys.executable), __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.send(crowds)

    def send(self, what):
        self.process.stdin.write(json.dumps(what).encode() + b"\n")
        self.process.stdin.flush()

    def recv(self):
        line = self.process.stdout.readline()
        if not line:
            raise EOFError("a process of light slaves has ended")
        return json.loads(line)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with self.process:
            self.process.kill()


def main():
    """In that process. Says when it is ready, waits for a word, and sends what each crowd
    tells when it is complete. At another word, or when nobody is there, it dies at once."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    crowds = json.loads(sys.stdin.readline())
    say("ready")
    sys.stdin.readline()
    threading.Thread(target=die_when_told, daemon=True).start()

    async def run():
        await asyncio.gather(*(Crowd(**crowd, report=say).run() for crowd in crowds))

    asyncio.run(run())


def say(what):
    print(json.dumps(what), flush=True)


def die_when_told():
    sys.stdin.readline()
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
