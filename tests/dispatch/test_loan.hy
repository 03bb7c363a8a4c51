"A large array that can be changed is sent from where it is, and arrives as it was when its
task was made."

(import
  array [array]
  signal
  threading
  threading [get-ident]
  pytest
  dpfw.dispatch [loan network]
  dpfw.master [Master read-result]
  dpfw.net.interrupt [handling]
  tests.helpers [begin holds outcome until]
  tests.processes [WAIT false-slave held launched slave-server stopped])

(setv N 2,000,000)  ; numbers of eight bytes, more than sockets hold

(defn [pytest.fixture] ones []
  (array "q" (* [1] N)))

(defn [pytest.fixture] one []
  (with [[master [slave]] (launched 1)]
    (yield #(master slave))))

(defn [pytest.fixture] copies [monkeypatch]
  "Each time when what was lent is copied."
  (setv copies []
        owned loan.owned)
  (.setattr monkeypatch loan "owned" (fn [payloads]
    (.append copies (len payloads))
    (owned payloads)))
  copies)

(defn total [xs]
  `(fn [i o] (sum (.tolist ~(memoryview xs)))))

(defn spoil [xs]
  "Change it, and its size, which nobody can while somebody else refers to its memory."
  (setv (cut xs) (array "q" (* [2] N)))
  (.append xs 2))


(defn test-who-takes-it-at-once-is-sent-no-copy [one copies]
  (setv [master slave] one)
  ; Where the machine has other work, a slave may be slow.
  (until (fn []
    (setv xs (array "q" (* [1] N))
          copied (len copies)
          promise (.make-task master (total xs) read-result))
    (spoil xs)
    (holds (.result promise WAIT) N)
    (= (len copies) copied))))

(defn test-who-does-not-take-it-gets-it-as-it-was [one ones copies]
  (setv [master slave] one)
  (with [_ (stopped slave.process)]
    (setv promise (.make-task master (total ones) read-result))
    (spoil ones))
  (holds (.result promise WAIT) N)
  (assert copies))

(defn test-what-waits-in-line-is-as-it-was [one ones copies]
  (setv [master slave] one)
  (with [_ (held master slave)]
    (setv promise (.make-task master (total ones) read-result))
    (spoil ones))
  (holds (.result promise WAIT) N)
  (holds (len copies) 1))

(defn test-what-may-be-sent-twice-is-copied-at-once [one ones copies]
  (setv [master slave] one
        promise (.make-task master (total ones) read-result :retries 1))
  (holds (len copies) 1)
  (spoil ones)
  (holds (.result promise WAIT) N))

(defn test-what-a-local-procedure-may-wait-for-is-copied-at-once [one ones copies]
  (setv [master slave] one
        promise (.make-task master (total ones) (fn [i o] (read-result i o))))
  (holds (len copies) 1)
  (spoil ones)
  (holds (.result promise WAIT) N))

(defn test-another-thread-sends-a-copy [one ones copies monkeypatch]
  "The slave becomes idle before `make-task` has returned."
  (setv [master slave] one
        end-loan network.end-loan
        waits (threading.Event)
        goes-on (threading.Event))
  (defn make []
    (setv makers (get-ident))
    (defn end-late [task [sent False]]
      (when (= (get-ident) makers)
        (.set waits)
        (assert (.wait goes-on WAIT)))
      (end-loan task sent))
    (.setattr monkeypatch network "end_loan" end-late)
    (.make-task master (total ones) read-result))
  (with [_ (held master slave)]
    (setv making (begin make))
    (assert (.wait waits WAIT)))
  (until (fn [] copies))
  (.set goes-on)
  (setv promise (outcome making))
  (spoil ones)
  (holds (.result promise WAIT) N)
  (holds (len copies) 1))

(defn test-who-takes-no-packed-data-gets-it-as-it-was [ones]
  (with [[_ host port] (slave-server :DPFW-TEXT "1")
         master (Master)]
    (.connect master host port)
    (setv promise (.make-task master (total ones) read-result))
    (spoil ones)
    (holds (.result promise WAIT) N)))

(defn test-the-next-slave-gets-what-the-first-has-only-half [ones]
  (with [[master first] (false-slave)]
    (setv promise (.make-task master (total ones) read-result))
    (spoil ones)
    (.receive-header first)
    (.receive-into first (memoryview (bytearray 100,000)))
    (.close first)
    (with [[_ host port] (slave-server)]
      (.connect master host port)
      (holds (.result promise WAIT) N))))

(defn test-two-arrays-and-a-view-of-one [one ones]
  (setv [master slave] one
        others (array "d" (* [0.5] N))
        views [(memoryview ones) (memoryview others) (cut (memoryview ones) 1,000,000 None)])
  (with [_ (stopped slave.process)]
    (setv promise (.make-task master
            `(fn [i o] [~@(lfor  view views  `(sum (.tolist ~view)))]) read-result)
          (cut ones) (array "q" (* [2] N))
          (cut others) (array "d" (* [2.0] N))))
  (holds (.result promise WAIT) [N (/ N 2) 1,000,000]))

(defn test-the-function-of-a-map-is-as-it-was [one ones]
  (setv [master slave] one
        results (.map-unordered master `(fn [x] (+ x (get ~(memoryview ones) 0))) [1 2 3] :chunk-size 1))
  (spoil ones)
  (holds (sorted results) [2 3 4]))

;; There is no memory for a copy

(defn [pytest.fixture] full [monkeypatch]
  (.setattr monkeypatch loan "owned" (fn [payloads]
    (raise (MemoryError)))))

(defn test-where-there-is-no-memory-the-promise-ends-so [ones full]
  (with [[process host port] (slave-server)
         master (Master)]
    (.connect master host port)
    (with [_ (stopped process)]
      (setv promise (.make-task master (total ones) read-result))
      (spoil ones)
      (assert (isinstance (.exception promise WAIT) MemoryError)))
    ; It is dialled again.
    (holds (.result (.make-task master '(fn [i o] 5) read-result) WAIT) 5)))

(defn test-what-waits-in-line-fails-so-and-the-slave-goes-on [one ones full]
  (setv [master slave] one)
  (with [_ (held master slave)]
    (setv promise (.make-task master (total ones) read-result))
    (spoil ones))
  (assert (isinstance (.exception promise WAIT) MemoryError))
  (holds (.result (.make-task master '(fn [i o] 5) read-result slave) WAIT) 5))

(defn test-the-handler-of-a-signal-that-raises-meanwhile-leaves-nothing-behind [one ones]
  (setv [master slave] one)
  (defn raising [#* _]
    (raise (ValueError "a user's handler")))
  (with [_ (stopped slave.process)
         _ (handling signal.SIGWINCH raising)]
    (setv connection slave.session.connection
          has-room connection.has-room-until)
    (defn struck [until]
      (setv connection.has-room-until has-room)
      (signal.raise-signal signal.SIGWINCH)
      (has-room until))
    (setv connection.has-room-until struck
          promise (.make-task master (total ones) read-result)
          (cut ones) (array "q" (* [2] N))))  ; what was logged of it refers to its memory
  (holds (.result promise WAIT) N))
