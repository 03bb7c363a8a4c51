"The states of a session and of a task, and what changes them: all there are.

::

    session of a slave                         task

    joining                                    waiting <── unsent, retried
       │ heard                                   │ given
       v                                         v
    preparing ── prepared ──> idle             sending ── stopped ──> withdrawn
                              │  ^               │ sent                 │ sent
                        given │  │ freed         v                      v
                              v  │             running ── stopped ──> stopping
                              busy ─┐            │ answered             │ answered
                              ^─────┘ given      v                      v
    any ── dismissed ──> leaving               ended                  ended
    any ── hung-up ──> lost

A task's promise ends when its task is stopped or ended, once. While it is
withdrawn or stopping, its slave is still busy with it. A session that is drained
is dismissed when it has nothing to do any more, and hung up on. An event that has no
place in a table is a fault of ours, and says so; what a slave may send at any
time, or two threads at once, is sorted out before.

Source: the tables of h11's ``_state.py``."

(import
  dpfw.errors [Fault])

(setv
  SESSION {
    "joining" {
      "heard" "preparing"         ; we receive from it
      "dismissed" "leaving"
      "hung-up" "lost"}
    "preparing" {                 ; it runs what was given to on-connect
      "prepared" "idle"
      "dismissed" "leaving"
      "hung-up" "lost"}
    "idle" {
      "given" "busy"
      "dismissed" "leaving"
      "hung-up" "lost"}
    "busy" {
      "given" "busy"              ; the next task at once
      "freed" "idle"
      "dismissed" "leaving"
      "hung-up" "lost"}
    "leaving" {                   ; it gets no more tasks
      "heard" "leaving"
      "dismissed" "leaving"
      "hung-up" "lost"}
    "lost" {}}

  TASK {
    "waiting" {                   ; in line
      "given" "sending"
      "stopped" "ended"           ; cancelled
      "lost" "ended"              ; the slave that it is for was
      "closed" "ended"}
    "sending" {                   ; not all of it is with the system yet
      "sent" "running"
      "answered" "ended"          ; before who sent it has said so
      "stopped" "withdrawn"
      "unsent" "waiting"          ; the slave was lost, and never saw it
      "lost" "ended"
      "closed" "ended"}
    "running" {
      "answered" "ended"
      "stopped" "stopping"        ; cancelled, late, or its local procedure failed
      "lost" "ended"
      "retried" "waiting"
      "closed" "ended"}
    "withdrawn" {                 ; stopped; a cancel may not overtake its task
      "sent" "stopping"
      "answered" "ended"
      "lost" "ended"
      "closed" "ended"}
    "stopping" {                  ; stopped; the remote has been told
      "answered" "ended"
      "lost" "ended"
      "closed" "ended"}
    "ended" {}}

  ; The states of a session whose slave has run what it must run first.
  PREPARED #{"idle" "busy"}

  ; The states of a task whose promise has not ended.
  OPEN #{"waiting" "sending" "running"})


(defn advance [thing table event]
  "Change the state of a session or task as its table says."
  (try
    (setv thing.state (get table thing.state event))
    (except [KeyError]
      (raise (Fault f"{thing !r} is {thing.state}, and was told {event !r}; please report this")
        :from None))))
