"What a person at a slave's terminal is told of its masters: one line when one is here,
has left, or is back."

(import
  dpfw.net.terminal [attended tell]
  dpfw.serve.bounded [Bounded])

(setv REMEMBERED 1000)  ; masters that are called back when they are


(defclass Notices []

  (defn __init__ [self]
    (setv
      self.wanted (attended)
      self.dials False  ; is who has left dialled again?
      self.known (Bounded REMEMBERED REMEMBERED)))  ; session ids

  (defn came [self connection id]
    (.say self f"the master at {connection.peer} is {(if (in id self.known) "back" "here")}")
    (.keep self.known id True :size 1))

  (defn went [self connection again]
    "``again``: does this process serve on?"
    (.say self (+ f"the master at {connection.peer} has left"
      (if (and self.dials again) "; dialling it again" ""))))

  (defn say [self text]
    (when self.wanted
      (tell f"dpfw slave: {text}"))))
