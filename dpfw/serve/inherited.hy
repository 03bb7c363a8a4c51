"Serving the master that has started this process, over a socket that it left open here."

(import
  os
  socket
  dpfw.net.handshake [dial-handshake])
(eval-when-compile (require hyrule.control [unless]))


(defn inherited-socket [descriptor]
  "The socket. Raises `OSError` if it is none."
  (setv sock (socket.socket :fileno descriptor))
  ; It is for no child of ours.
  (os.set-inheritable descriptor False)
  sock)

(defn dial-over [node sock]
  "The connection with the master, hands shaken. Raises `HandshakeError`, and `CookieError`."
  (setv secret (.secret node)
        connection (.own node sock)
        connection.peer "the master that has started this slave")
  (.shake-hands node dial-handshake connection secret)
  connection)
