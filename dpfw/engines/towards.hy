"Which of its addresses this machine has towards another."

(import
  socket)


(defn host-towards [host [port None]]
  "The address of this machine that others see who are where this host is."
  (setv [family _ _ _ address] (get (socket.getaddrinfo host (or port 1) :type socket.SOCK-DGRAM) 0))
  (with [sock (socket.socket family socket.SOCK-DGRAM)]
    (.connect sock address)  ; sends nothing
    (get (.getsockname sock) 0)))
