"What carries a session between two processes: sockets, frames, TLS, the
handshake, threads, and the reactor that waits for all of them."
