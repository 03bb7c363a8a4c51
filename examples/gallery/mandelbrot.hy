"A zoom into the Mandelbrot set. Slaves compute rows; the master makes an animated PNG.

Run it with: hy examples/gallery/mandelbrot.hy

Rows differ a lot in what they cost: outside of the set a point escapes after a few
steps, inside never. So nobody deals them out beforehand: a slave that is done takes
the next ones, and all are busy until the end."

(import
  argparse
  pathlib [Path]
  struct [pack]
  time [perf-counter]
  zlib
  dpfw.launch [dpfw-launch]
  dpfw.master *)
(require dpfw.master [dpfw-defn dpfw-import])

(setv
  CENTRE #(-0.743643887037151 0.131825904205330)
  WIDEST 3.2     ; the first frame's width, in the plane
  ZOOM 1.52      ; from one frame to the next
  SHAPE 0.75     ; height by width
  LIMIT 400      ; steps, after which a point is taken to be inside
  DELAY 120)     ; milliseconds for a frame


;; What slaves do

(dpfw-import math)

(dpfw-defn row [left y step width limit]
  "The colours of a row of points, as bytes: 0 inside, others by the time of escape."
  (setv pixels (bytearray width))
  (for [k (range width)]
    (setv c (complex (+ left (* k step)) y)  z 0j)
    (for [n (range limit)]
      (setv z (+ (* z z) c))
      (when (> (abs z) 20)
        ; A count alone would show as bands; this goes from one to the next.
        (setv smooth (- (+ n 2) (math.log2 (math.log (abs z))))
              (get pixels k) (+ 1 (% (int (* 48 (math.log smooth))) 255)))
        (break))))
  (bytes pixels))


;; What the master does

(defn frame-rows [n width]
  "What a slave needs for each row of frame n."
  (setv step (/ WIDEST (** ZOOM n) width)
        height (int (* SHAPE width))
        [x y] CENTRE)
  (lfor  k (range height)
    #((- x (* 0.5 step width)) (+ y (* step (- (/ height 2) k))) step width LIMIT)))

(defn zoom [frames width]
  "The rows of each frame."
  (setv jobs (lfor  n (range frames)  job (frame-rows n width)  job)
        rows (dpfw-map row #* (zip #* jobs))
        height (// (len rows) frames))
  (lfor  k (range 0 (len rows) height)  (cut rows k (+ k height))))

(defn png [frames]
  "An animated PNG. Who cannot show one shows the last frame."
  (setv width (len (get frames 0 0))
        height (len (get frames 0))
        images (lfor  rows frames  (zlib.compress (.join b"" (gfor  r rows  (+ b"\0" r))) 9))
        number (iter (range (* 2 (len frames)))))
  (defn chunk [kind content]
    (+ (pack ">I" (len content)) kind content (pack ">I" (zlib.crc32 (+ kind content)))))
  (defn frame [image delay]
    (+ (chunk b"fcTL" (pack ">5I2H2B" (next number) width height 0 0 delay 1000 0 0))
       (chunk b"fdAT" (+ (pack ">I" (next number)) image))))
  (.join b"" [
    b"\x89PNG\r\n\x1a\n"
    (chunk b"IHDR" (pack ">2I5B" width height 8 3 0 0 0))
    (chunk b"acTL" (pack ">2I" (len images) 0))
    (chunk b"PLTE" (bytes (gfor  n (range 256)  part (colour n)  part)))
    (chunk b"IDAT" (get images -1))
    #* (gfor  image (cut images -1)  (frame image DELAY))
    (frame (get images -1) (* 15 DELAY))
    (chunk b"IEND" b"")]))

(defn colour [n]
  "Red, green and blue of a byte: black inside, and round a circle of hues, so that the
  last is next to the first."
  (if n
    (lfor  shift [0.0 0.12 0.27]
      (int (* 127.5 (- 1 (math.cos (* math.tau (+ (/ n 255) shift)))))))
    [0 0 0]))

(defn main []
  (setv parser (argparse.ArgumentParser :description "A zoom into the Mandelbrot set"))
  (.add-argument parser "--size" :type int :default 320 :help "width in pixels")
  (.add-argument parser "--frames" :type int :default 24)
  (.add-argument parser "--slaves" :type int :default 2)
  (.add-argument parser "--picture" :type Path :default (Path "mandelbrot.png"))
  (setv options (.parse-args parser))
  (dpfw-launch options.slaves)
  (setv start (perf-counter)
        frames (zoom options.frames options.size)
        seconds (- (perf-counter) start))
  (.write-bytes options.picture (png frames))
  (print f"{options.frames} frames by {options.slaves} slaves in {seconds :.2f} s: {options.picture}")
  (dpfw-close))

(when (= __name__ "__main__")
  (main))
