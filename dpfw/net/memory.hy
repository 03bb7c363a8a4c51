"Memory to receive into, and memory that is only borrowed.

A memoryview that can be written to is *borrowed*: it shows what its owner, a user, may
still change. One that cannot is taken for what nobody changes, even if it is a view of
what somebody can."

(eval-when-compile (require hyrule.control [unless]))

(setv LARGE (* 4 1024 1024))  ; bytes, from which on memory comes straight from the system


(defn new-memory [size]
  "A writable memoryview of so many bytes, which is all that refers to them."
  (if (< size LARGE)
    (memoryview (bytearray size))
    (memoryview (pages size))))

(defn pages [size]
  ; A bytearray is filled with zeros by the system and then once more, page
  ; by page, which takes twice as long as receiving into it.
  (import mmap)
  (setv memory (mmap.mmap -1 size :flags (| mmap.MAP-PRIVATE mmap.MAP-ANONYMOUS)))
  (try
    (.madvise memory mmap.MADV-HUGEPAGE)
    (except [[AttributeError OSError]]))  ; not on this system, or not in its kernel
  memory)

(defn borrowed? [buffer]
  (and (isinstance buffer memoryview) (not buffer.readonly)))

(defn own [buffer]
  "A copy of it, if it is borrowed, or else itself."
  (unless (borrowed? buffer)
    (return buffer))
  (setv memory (new-memory (len buffer))
        (cut memory) buffer)
  (.toreadonly memory))
