"The pictures of the gallery, by matplotlib. Each takes what its program has found, and a
path."

(import math)
(try
  (import matplotlib)
  (except [ImportError]
    (raise (SystemExit "a picture needs matplotlib: pip install 'dpfw[gallery]'"))))

(.use matplotlib "Agg")  ; into files, wherever it runs
(import matplotlib.pyplot :as plt)

(setv
  DPI 100
  COLOURS {"disk" "tab:green"  "cpu" "tab:orange"  "store" "tab:purple"})

(defn draw-pi [steps picture]
  (setv [seconds slaves points pis errors] (zip #* steps)
        [figure [above below]] (plt.subplots 2 1 :figsize [8 6] :sharex True :layout "constrained")
        joins (lfor  [k n] (enumerate slaves)  :if (and k (!= n (get slaves (- k 1))))  k))
  (for [[factor alpha] [[2 0.2] [1 0.35]]]
    (.fill-between above seconds
      (lfor  [p e] (zip pis errors)  (- p (* factor e)))
      (lfor  [p e] (zip pis errors)  (+ p (* factor e)))
      :color "tab:blue" :alpha alpha :linewidth 0 :label f"± {factor} σ"))
  (.plot above seconds pis :color "tab:blue" :label "estimate")
  (.axhline above math.pi :color "black" :linewidth 1 :linestyle ":" :label "π")
  (.set above :ylim [(- math.pi 0.004) (+ math.pi 0.004)] :ylabel "π"
    :title f"π = {(get pis -1) :.5f} ± {(get errors -1) :.5f}, by {(get points -1) :,} points")
  (.legend above :loc "lower right" :ncols 2)
  (.semilogy below seconds errors :color "tab:orange" :label "σ")
  (for [k joins]
    (.plot below (cut seconds k None)
      (lfor  s (cut seconds k None)  (* (get errors k) (math.sqrt (/ (get seconds k) s))))
      :color "tab:orange" :linestyle ":" :label (if (= k (get joins 0)) "σ, had none joined" None))
    (for [axes [above below]]
      (.axvline axes (get seconds k) :color "grey" :linewidth 1 :linestyle "--")))
  (for [k [0 #* joins]]
    (setv n (get slaves k))
    (.annotate below f"{n} slave{(if (= n 1) "" "s")} →" [(get seconds k) 0.93]
      :xycoords #("data" "axes fraction") :xytext [5 0] :textcoords "offset points"))
  (.set below :xlabel "seconds" :ylabel "σ" :xlim [0 (get seconds -1)]
    :ylim [(* 0.8 (get errors -1)) (* 12 (get errors -1))])
  (.legend below :loc "upper right" :bbox-to-anchor [1 0.9])
  (.savefig figure picture :dpi DPI))

(defn draw-answers [answers picture]
  (setv [figure axes] (plt.subplots :figsize [8 4] :layout "constrained"))
  (for [[n pid] (enumerate (dict.fromkeys (gfor  [pid _ _] answers  pid)) 1)]
    (setv mine (lfor  [k [p _ seconds]] (enumerate answers)  :if (= p pid)  [k (* 1000 seconds)]))
    (.scatter axes #* (zip #* mine) :s 14 :alpha 0.7
      :label f"slave {n}: {(len mine)} questions")
    (.annotate axes f"slave {n} learns" (get mine 0) :xytext [8 (- 3 (* 12 (- n 1)))] :textcoords "offset points"))
  (.set axes :yscale "log" :xlabel "question" :ylabel "milliseconds on the slave"
    :title "The first question to each slave waits for the model; the others find it in the table")
  (.legend axes :loc "upper right")
  (.savefig figure picture :dpi DPI))

(defn draw-trip [cities length steps picture]
  "Cities are [name latitude longitude]; the steps are those with the best trip shared, and without."
  (setv [figure [map bars]] (plt.subplots 1 2 :figsize [9 5] :layout "constrained" :width-ratios [3 1])
        [names latitudes longitudes] (zip #* cities))
  (.plot map [#* longitudes (get longitudes 0)] [#* latitudes (get latitudes 0)] "o-" :color "tab:red" :markersize 5)
  (for [[name x y] (zip names longitudes latitudes)]
    (.annotate map name [x y] :xytext [5 4] :textcoords "offset points" :fontsize 9))
  (.set map :aspect 1.6 :xlabel "longitude" :ylabel "latitude" :xlim [-13 36]
    :title f"{(len cities)} capitals, {length :,} km")
  (setv drawn (.bar bars ["shared" "each its own"] (lfor  n steps  (/ n 1e6))
    :color ["tab:red" "lightgrey"]))
  (.bar-label bars drawn :fmt "%.2f")
  (.set bars :title "steps, in millions" :xlabel "best trip so far")
  (.savefig figure picture :dpi DPI))

(defn draw-lanes [spans picture]
  "A lane for each slave."
  (setv [figure axes] (plt.subplots :figsize [9 3.2] :layout "constrained")
        lanes (sorted (sfor  [label pid _ _] spans  #(label pid))
                :key (fn [lane] #(-1 (.index (list COLOURS) (get lane 0)) (get lane 1))))
        first (min (gfor  [_ _ start _] spans  start)))
  (for [[y [label pid]] (enumerate (reversed lanes))]
    (.broken-barh axes
      (lfor  [l p start end] spans  :if (= #(l p) #(label pid))  #((- start first) (- end start)))
      [(- y 0.4) 0.8] :color (get COLOURS label) :linewidth 0.4))
  (.set axes :yticks (range (len lanes)) :yticklabels (lfor  [label _] (reversed lanes)  label)
    :xlabel "seconds" :xlim 0 :title f"{(// (len spans) 3)} files on their way through {(len lanes)} slaves")
  (.savefig figure picture :dpi DPI))

(defn draw-grid [table grid picture]
  "A row of the table for each C, a column for each gamma."
  (setv [figure axes] (plt.subplots :figsize [6.6 5.5] :layout "constrained")
        drawn (.imshow axes table :origin "lower" :cmap "viridis" :vmin 0 :vmax 1)
        n (len table)
        [y x] (divmod (.argmax table) n))
  (for [[row numbers] (enumerate table)
        [column accuracy] (enumerate numbers)]
    (.text axes column row f"{(* 100 accuracy) :.1f}" :ha "center" :va "center" :fontsize 8
      :color (if (> accuracy 0.6) "black" "white")))
  (.plot axes x y "s" :markersize 36 :markerfacecolor "none" :markeredgecolor "tab:red" :markeredgewidth 2)
  (.set axes :xlabel "gamma" :ylabel "C" :xticks (range n) :yticks (range n)
    :xticklabels (lfor  g (get grid "gamma")  f"{g :.0e}")
    :yticklabels (lfor  c (get grid "C")  f"{c :.4g}")
    :title f"Digits read correctly, in %, of those not seen before\nbest: {(* 100 (.max table)) :.2f} %")
  (.colorbar figure drawn)
  (.savefig figure picture :dpi DPI))

