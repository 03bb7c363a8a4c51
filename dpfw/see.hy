"The pages that messages name."

(defn see [page]
  "The end of a message: the page of ``docs/`` that has more about it, and its section. ::

    (see \"code.md#files\")  ; => \" (see docs/code.md#files)\""
  f" (see docs/{page})")
