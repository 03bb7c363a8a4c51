"Serving the master that has started this process, over a socket that it left open here."

(import
  os
  socket
  dpfw.net.handshake [dial-handshake]
  dpfw.serve.pipes [ready-made])


(defn inherited [text]
  "What is open here, by its descriptors: the socket, which is returned, and the ends of
  the pipes for what remotes print. Raises `OSError` and `ValueError` if they are none."
  (setv [socket-of out out-inlet err err-inlet] (lfor  x (.split text ",")  (int x))
        sock (socket.socket :fileno socket-of))
  (for [x [socket-of out out-inlet err err-inlet]]
    ; It is for no child of ours.
    (os.set-inheritable x False))
  (.update ready-made {"stdout" #(out out-inlet)  "stderr" #(err err-inlet)})
  sock)

(defn dial-over [node sock]
  "The connection with the master, hands shaken. Raises `HandshakeError`, and `CookieError`."
  (setv secret (.secret node)
        connection (.own node sock)
        connection.peer "the master that has started this slave")
  (.shake-hands node dial-handshake connection secret)
  connection)
