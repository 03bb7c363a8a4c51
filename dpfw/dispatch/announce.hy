"What a person is told for whose master listens and waits: where, and who joins."

(import
  dpfw.net.addresses [format-address]
  dpfw.net.terminal [attended tell])
(eval-when-compile (require hyrule.control [unless]))


(defn announce-joins [network address]
  "Until the master is closed. It listens at this address."
  (unless (attended)
    (return (.wait network.node)))
  (tell (+ f"dpfw master listens on {(format-address address)}; start slaves with: "
    f"hy -m dpfw.slave --connect HOST:{(get address 1)}"))
  (setv here [])
  (while (not (.is-set network.node.closed))
    (setv before here
          here (.wait-for network (fn []
            (setv now (slaves-of network))
            (when (or (!= now before) (.is-set network.node.closed))
              now))))
    (for [slave here]
      (unless (in slave before)
        (tell f"the slave at {slave.address} has joined; {(len here)} {(if (= (len here) 1) "is" "are")} here")))))

(defn slaves-of [network]
  (list (.values network.dispatcher.registry.connected)))
