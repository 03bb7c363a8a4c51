"How much memory a slave may take: remotes that ask for more get a `MemoryError`.

What counts are data, so not what is mapped from files or shared (RLIMIT_DATA, on
Linux); elsewhere all addresses are (RLIMIT_AS)."

(import
  re
  resource
  sys)
(eval-when-compile (require hyrule.control [unless]))

(setv
  LINUX (= sys.platform "linux")
  LIMIT (if LINUX resource.RLIMIT-DATA (getattr resource "RLIMIT_AS" None))
  LEAST (* 64 1024 1024)  ; bytes
  UNITS {"" 0  "K" 10  "M" 20  "G" 30  "T" 40}
  SIZE (re.compile r"([0-9]{1,15}(?:\.[0-9]{1,3})?)([KMGT]?)(?:i?B)?"))


(defn bytes-of [size]
  "The bytes of a size. ::

    (bytes-of \"1.5G\")  ; => 1610612736

  Raises `TypeError` and `ValueError`."
  (when (is (type size) int)
    (return size))
  (unless (is (type size) str)
    (raise (TypeError f"the memory is {size !r}; give a number of bytes, or a text such as \"2G\"")))
  (setv found (SIZE.fullmatch size))
  (unless found
    (raise (ValueError f"the memory is {size !r}; give a number of bytes, or such as \"500M\" or \"2G\"")))
  (int (* (float (.group found 1)) (<< 1 (get UNITS (.group found 2))))))

(defn checked-limit [size]
  "The bytes of a size that a slave may be limited to. Raises as `bytes-of` does."
  (setv n (bytes-of size))
  (when (< n LEAST)
    (raise (ValueError f"the memory is {size !r}; give \"{(>> LEAST 20)}M\" or more, since a slave needs that much itself")))
  (when (or (is LIMIT None) (= sys.platform "darwin"))  ; which takes the limit, and does not mind it
    (raise (ValueError "this system holds no process to a limit of memory; leave it out")))
  n)

(defn limit-memory [n]
  "Let this process, and those that it starts, each have n bytes. Raises `ValueError`."
  (setv [_ most] (resource.getrlimit LIMIT))
  (unless (or (= most resource.RLIM-INFINITY) (<= n most))
    (raise (ValueError f"{n} bytes are more than the {most} that this process may have; see: ulimit -Hd")))
  (resource.setrlimit LIMIT #(n n)))
