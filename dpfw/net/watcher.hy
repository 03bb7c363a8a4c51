"Watching: dialling a master or a slave, and asking for its status."

(import
  dpfw.errors [WireError]
  dpfw.net.about [own-about]
  dpfw.net.addresses [dial format-address]
  dpfw.net.cookie [cookie]
  dpfw.net.handshake [SILENT dial-handshake new-session]
  dpfw.net.status [read-status]
  dpfw.net.wire [Connection])
(eval-when-compile (require hyrule.control [unless]))

(setv
  ROLE "watcher"
  LONGEST-WAIT 10)  ; seconds, for an answer


(defclass Watcher []
  "Watches the process that listens there. ::

    (with [watcher (Watcher \"node-b.example.com\" 10000)]
      (get (.ask watcher) \"memory\"))

  Raises `AddressError` when the host does not resolve, `OSError` when nothing
  answers there, `HandshakeError`, `CookieError`."

  (defn __init__ [self host port]
    (setv secret (cookie)
          self.where (format-address #(host port))
          self.number 0
          self.connection (Connection (dial host port ROLE)))
    (try
      (dial-handshake self.connection ROLE (new-session) secret False (own-about))
      (except [BaseException]
        (.close self)
        (raise)))
    None)

  (defn ask [self]
    "The process's status, as in ``net/status``. Raises `OSError` when there is none
    to be had."
    (+= self.number 1)
    (.set-timeout self.connection LONGEST-WAIT)
    (try
      (.send self.connection "status" self.number)
      (setv [kind number _] (.receive-header self.connection)
            payload (.receive-payload self.connection))
      (except [e TimeoutError]
        (raise (TimeoutError f"{self.where} has not answered for {LONGEST-WAIT} seconds; {SILENT}") :from e))
      (except [e OSError]
        (raise (ConnectionError
          f"{self.where} went away ({e}); when it is back, give the same command again") :from e)))
    (try
      (unless (= #(kind number) #("end" self.number))
        (raise (ValueError f"it sent a frame {kind} {number}")))
      (read-status payload self.connection.role)
      (except [e [ValueError SyntaxError]]
        (raise (WireError f"{self.where} sent no status: {e}") :from e))))

  (defn close [self]
    (.close self.connection))

  (defn __enter__ [self]
    self)

  (defn __exit__ [self #* _]
    (.close self)))
