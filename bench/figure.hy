"A figure: what was measured, against whom, with which target. It is a dict that
JSON can hold::

    {\"title\" …  \"unit\" \"s\"  \"note\" …  \"rounds\" 15
     \"rows\" [{\"name\" \"dpfw\"  \"median\" …  \"turns\" […]}
             {\"name\" \"TCP echo\"  \"median\" …  \"turns\" […]  \"ratio\" 1.2
              \"at most\" 1.3  \"met\" True}
             …]}

The first row is the subject. A ratio is the subject's figure to that row's, the
median over the rounds; a target is one of the ratio, or, in a row without a
ratio, of the median."

(import
  statistics [median])


(defn figure [title unit results [targets None] [extra #()] * [bound "at most"] [note ""]]
  "Make one of what `interleaved` returned.

  ``targets`` has the bounds of ratios by contender, ``bound`` says on which side
  of them the subject should be, ``extra`` are further rows, made by `quantity`."
  (setv
    [subject #* peers] results
    mine (get results subject))
  {"title" title
   "unit" unit
   "note" note
   "rounds" (len mine)
   "rows" [
     (row subject mine)
     #* (gfor
       name peers
       :setv theirs (get results name)
       (compared (row name theirs) mine theirs bound (.get (or targets {}) name)))
     #* extra]})

(defn row [name turns]
  {"name" name
   "median" (rounded (median turns))
   "turns" (list (map rounded turns))})

(defn compared [row mine theirs bound target]
  (setv ratio (rounded (median (gfor  [a b] (zip mine theirs)  (/ a b)))))
  {#** row  "ratio" ratio  #** (judged ratio bound target)})

(defn quantity [name value unit [target None]]
  "A row for what is no contender's, with the most that it should be."
  {"name" name  "median" (rounded value)  "unit" unit  #** (judged value "at most" target)})

(defn judged [value bound target]
  (cond
    (is target None) {}
    (= bound "at most") {bound target  "met" (<= value target)}
    (= bound "at least") {bound target  "met" (>= value target)}))

(defn rounded [x]
  "To four digits: more would be noise."
  (float f"{x :.4g}"))

(defn target-of [row]
  "The bound of a row and its side, or None."
  (for [bound ["at most" "at least"]]
    (when (in bound row)
      (return #(bound (get row bound))))))
