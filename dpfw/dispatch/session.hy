"The master's end of a session: one connection with one slave process."



(defclass Session []
  "What the dispatcher owns of it, and below that what `Network` does."

  (defn __init__ [self slave connection [dialled None]]
    (setv
      self.slave slave
      self.dialled dialled    ; the host and port to dial again, or None
      self.state "joining"
      self.number 0           ; of the last task that it was given
      self.task None          ; that it is busy with
      self.unprepared []      ; numbers of the preparations that it is still to run
      self.drained False      ; is it given no more tasks but those that wait for it?
      self.farewell False     ; has it ended because it was drained?
      self.useful False       ; has it done a task?
      self.failures 0         ; tasks that ended in an error
      self.error None         ; why it is lost
      self.killed False       ; is its slave to be?

      self.connection connection
      self.since None         ; the moment when the last task was sent
      self.awake False        ; has it answered just now?
      self.reading None       ; what reads the answer that is coming in
      self.outlet None))      ; what a local procedure sends on

  (defn __repr__ [self]
    f"<session with {self.slave !r}>"))
