"The programs of examples/gallery, run as their readers run them, on little; what they
find is what another way of computing finds. And its page shows what was measured."

(import
  ast
  collections [Counter]
  functools [cache]
  importlib.util [find-spec]
  itertools [pairwise permutations]
  json
  math
  os
  pathlib [Path]
  random [Random]
  re
  struct
  subprocess
  sys
  sysconfig
  tempfile [TemporaryDirectory]
  warnings
  zlib
  pytest)

(setv
  ROOT (. (Path __file__) parent parent)
  GALLERY (/ ROOT "examples" "gallery")
  PROGRAMS ["animals" "index" "mandelbrot" "parameters" "pi" "pipeline" "speller" "travel"]
  LIBRARY (Path (sysconfig.get-path "stdlib"))
  WAIT 110  ; seconds
  ; The programs that draw with matplotlib, on little. Each is run once.
  DRAWN {
    "pi" ["pi" "--size" 6 "--slaves" 2]
    "speller" ["speller" "--size" 12 "--files" 20]
    "travel" ["travel" "--size" 9]
    "pipeline" ["pipeline" "--size" 40 "--slaves" 1]})

(defn run [name #* arguments  [answers ""]]
  "What a program prints, if it ends well."
  (setv done (ended name arguments answers))
  (assert (= #(done.returncode done.stderr) #(0 "")) f"status {done.returncode}\n{done.stdout}\n{done.stderr}")
  done.stdout)

(defn ended [name arguments [answers ""] [path GALLERY]]
  "A program that has been run, with files for its standard streams."
  ; Hy 1.3 runs no file by its name on Python 3.12.0 to 3.12.5 (hylang/hy#2598).
  (setv program (if (<= #(3 12) sys.version-info #(3 12 6))
    ["-m" name]
    [(str (/ GALLERY f"{name}.hy"))]))
  (with [folder (TemporaryDirectory)
         in (open (Path folder "in") "w+")
         out (open (Path folder "out") "w+")
         err (open (Path folder "err") "w+")]
    (.write in answers)
    (.seek in 0)
    (setv done (subprocess.run [sys.executable "-m" "hy" #* program #* (map str arguments)]
      :cwd folder
      :env (| os.environ {"PYTHONPATH" (.join os.pathsep [(str path) (str ROOT) (str GALLERY)])
                          "MPLCONFIGDIR" folder})
      :stdin in  :stdout out  :stderr err
      :timeout WAIT))
    (.seek out 0)
    (.seek err 0)
    (setv done.stdout (.read out)  done.stderr (.read err)))
  done)

(defn library [[skip #{"site-packages"}]]
  "The files of the standard library, in order."
  (sorted (gfor
    [folder _ names] (os.walk LIBRARY)
    :if (not (& skip (set (. (Path folder) parts))))
    name names
    :if (.endswith name ".py")
    (Path folder name))))

(defn parsed [path]
  (with [_ (warnings.catch-warnings)]
    (warnings.simplefilter "ignore")
    (ast.parse (.read-bytes path))))

(defn [(pytest.fixture :scope "module")] drawn [tmp-path-factory]
  "Runs a program, with a picture where matplotlib is; gives what it prints, and the
  picture's path."
  (setv folder (.mktemp tmp-path-factory "pictures")
        options (if (find-spec "matplotlib") ["--picture"] None))
  (defn [cache] drawn [name #* arguments]
    (setv picture (/ folder f"{name}.png"))
    #((run name #* arguments #* (if options [#* options picture] []))
      picture))
  drawn)


;; Each program

(defn frames-of [data]
  "The frames of an animated PNG, each a list of rows."
  (setv position 8  frames []  width None)
  (while (< position (len data))
    (setv [length kind] (struct.unpack-from ">I4s" data position)
          content (cut data (+ position 8) (+ position 8 length))
          [checksum] (struct.unpack-from ">I" data (+ position 8 length)))
    (assert (= checksum (zlib.crc32 (+ kind content))) f"{kind}")
    (cond
      (= kind b"IHDR") (setv [width] (struct.unpack-from ">I" content))
      (= kind b"fdAT") (.append frames (zlib.decompress (cut content 4 None))))
    (+= position 12 length))
  (lfor  frame frames
    (lfor  k (range 0 (len frame) (+ width 1))  (cut frame (+ k 1) (+ k 1 width)))))

(defn stays [c]
  "Is a point inside of the Mandelbrot set, as far as 400 steps tell?"
  (setv z 0j)
  (for [_ (range 400)]
    (when (> (+ (* z.real z.real) (* z.imag z.imag)) 400)
      (return False))
    (setv z (+ (* z z) c)))
  (<= (abs z) 20))

(defn test-mandelbrot-is-black-inside-of-the-set [tmp-path]
  (setv picture (/ tmp-path "m.png"))
  (run "mandelbrot" "--size" 40 "--frames" 3 "--picture" picture)
  (setv frames (frames-of (.read-bytes picture)))
  (assert (= (len frames) 3))
  (for [[n frame] (enumerate frames)]
    (setv step (/ 3.2 40 (** 1.52 n)))
    (assert (= (lfor  row frame  (lfor  colour row  (= colour 0)))
               (lfor  y (range 30)  (lfor  x (range 40)
                 (stays (complex (+ -0.743643887037151 (* step (- x 20)))
                                 (+ 0.131825904205330 (* step (- 15 y))))))))
      f"frame {n}"))
  (setv colours (sfor  row (get frames 0)  colour row  colour))
  (assert (> (len colours) 50) f"{colours}"))

(defn test-parameters-finds-the-best-pair [tmp-path]
  (pytest.importorskip "sklearn" :reason "scikit-learn is not installed: pip install 'dpfw[gallery]'")
  (setv stdout (run "parameters" "--size" 2 "--slaves" 1))
  (import
    sklearn.datasets [load-digits]
    sklearn.model-selection [cross-val-score]
    sklearn.svm [SVC])
  (setv [images digits] (load-digits :return-X-y True)
        best (max (gfor  C [0.1 1000.0]  gamma [1e-5 0.1]
          [(.mean (cross-val-score (SVC :C C :gamma gamma) images digits :cv 3)) C gamma])))
  (setv [score C gamma] best
        found (re.search r"^12 fits; the best is C = ([\d.]+), gamma = ([\de.-]+), with ([\d.]+)\n" stdout))
  (assert found stdout)
  (assert (= (lfor  x (.groups found)  (float x)) [C gamma (round score 6)]) f"{best}\n{stdout}"))

(defn below [node name]
  (setv text (ast.get-docstring node))
  (+ (if text [[name text]] [])
     (sum (gfor
       child node.body
       :if (isinstance child #(ast.FunctionDef ast.AsyncFunctionDef ast.ClassDef))
       (below child f"{name}.{child.name}")) [])))

(defn test-index-finds-what-a-search-through-all-finds []
  (setv stdout (run "index" "--size" 60 :answers "decode base64\nxyzzyx\nthe queue is empty\n")
        documents (lfor
          path (cut (library #{"site-packages" "test" "tests" "idlelib"}) 60)
          :setv names (. (.with-suffix (.relative-to path LIBRARY) "") parts)
          document (below (parsed path) (.join "." (gfor  n names  :if (!= n "__init__")  n)))
          document)
        texts (dfor  [name text] documents  name (re.findall "[a-z0-9]+" (.lower f"{name} {text}"))))
  (defn [cache] frequency [word]
    (sum (gfor  [name text] documents  (in word (re.findall "[a-z0-9]+" (.lower f"{name} {text}"))))))
  (defn score [words question]
    (/ (sum (gfor
         word (set (.split question))
         :setv n (.count words word)
         :if n
         (* (math.log (+ 1 (/ (len documents) (frequency word)))) (+ 1 (math.log n)))))
       (math.sqrt (+ 20 (len words)))))
  (assert (.startswith stdout f"{(len documents)} docstrings, ") f"{(len documents)}\n{stdout}")
  (setv [_ #* answers] (.split stdout "\n? "))
  (for [[question answer] (zip ["decode base64" "xyzzyx" "the queue is empty"] answers)]
    (setv scores (dfor  [name words] (.items texts)  :if (& (set words) (set (.split question)))  name (score words question))
          found (re.findall r"^ +([\d.]+)  ([\w.]+)" answer re.M))
    (assert (= (len found) (min 4 (len scores))) answer)
    (for [[[shown name] best] (zip found (sorted (.values scores) :reverse True))]
      (assert (= shown f"{best :.2f}" f"{(get scores name) :.2f}") f"{question}: {name} {best}\n{answer}"))))

(defn test-pi-is-the-same-whoever-joins [drawn]
  (setv [stdout _] (drawn #* (get DRAWN "pi"))
        lines (.splitlines stdout)
        [p error points] (.groups (re.fullmatch r"([\d.]+) ± ([\d.]+) by (\d+) points and 2 slaves" (get lines -1)))
        batches (// (int points) 100,000)
        inside 0)
  (assert (in " 1 slave " (get lines 0)) stdout)
  (assert (>= batches 6) stdout)
  (for [seed (range batches)]
    (setv random (. (Random seed) random))
    (+= inside (sum (gfor  _ (range 100,000)  (< (+ (** (random) 2) (** (random) 2)) 1)))))
  (setv share (/ inside (int points)))
  (assert (= p f"{(* 4 share) :.9f}") stdout)
  (assert (= error f"{(* 4 (math.sqrt (/ (* share (- 1 share)) (int points)))) :.9f}") stdout)
  (assert (< (abs (- (float p) math.pi)) (* 4 (float error))) stdout))

(defn slips-between [a b]
  "How many slips make one text of another (Damerau and Levenshtein's distance)."
  (setv last {}
        far (+ (len a) (len b))
        d {#(-1 -1) far})
  (for [i (range (+ 1 (len a)))]
    (setv (get d #(i -1)) far  (get d #(i 0)) i))
  (for [j (range (+ 1 (len b)))]
    (setv (get d #(-1 j)) far  (get d #(0 j)) j))
  (for [i (range 1 (+ 1 (len a)))]
    (setv swapped 0)
    (for [j (range 1 (+ 1 (len b)))]
      (setv k (.get last (get b (- j 1)) 0)
            l swapped
            same (= (get a (- i 1)) (get b (- j 1))))
      (when same
        (setv swapped j))
      (setv (get d #(i j)) (min
        (+ (get d #((- i 1) (- j 1))) (if same 0 1))
        (+ (get d #(i (- j 1))) 1)
        (+ (get d #((- i 1) j)) 1)
        (+ (get d #((- k 1) (- l 1))) (- i k 1) 1 (- j l 1)))))
    (setv (get last (get a (- i 1))) i))
  (get d #((len a) (len b))))

(defn test-speller-gives-the-nearest-word-and-of-these-the-commonest [drawn]
  (setv [stdout _] (drawn #* (get DRAWN "speller"))
        counts (Counter (re.findall "[a-z]+" (.lower (.join "\n" (gfor
          path (cut (library) 20)
          (.read-text path :encoding "latin-1"))))))
        answers (re.findall r"^([a-z]+) +([a-z]+)$" stdout re.M))
  (assert (= (len answers) 5) stdout)
  (for [[typo answer] answers]
    (setv near (dfor
            word counts
            :if (<= (abs (- (len word) (len typo))) 2)
            :setv n (slips-between word typo)
            :if (<= n 2)
            word n)
          best (max near :key (fn [word] #((- (get near word)) (get counts word) word)) :default typo))
    (assert (= answer best) f"{typo}: {answer}, not {best}"))
  (assert (re.search r"^\d+ of 12 as they were meant, by 2 slaves$" stdout re.M) stdout))

(defn kilometres [a b]
  "By the haversine formula."
  (setv [x1 y1 x2 y2] (map math.radians [#* a #* b])
        half (+ (** (math.sin (/ (- x2 x1) 2)) 2)
                (* (math.cos x1) (math.cos x2) (** (math.sin (/ (- y2 y1) 2)) 2))))
  (round (* 2 6371 (math.asin (math.sqrt half)))))

(defn test-travel-is-the-shortest-of-all-trips-and-sharing-saves-steps [drawn]
  (setv [stdout _] (drawn #* (get DRAWN "travel"))
        cities (cut (re.findall r"\[\"(\w+)\" ([\d.-]+) ([\d.-]+)\]" (.read-text (/ GALLERY "travel.hy") :encoding "utf-8")) 9)
        places (dfor  [name x y] cities  name [(float x) (float y)])
        distances (dfor  a places  b places  #(a b) (kilometres (get places a) (get places b)))
        [home #* others] places)
  (defn length [trip]
    (sum (gfor  pair (pairwise [#* trip (get trip 0)])  (get distances pair))))
  (setv shortest (min (gfor  order (permutations others)  (length [home #* order])))
        found (re.search r"^(.* – .*)\n(\d+) km, found in (\d+) steps; with nothing shared, (\d+) steps\n\Z" stdout re.M))
  (assert found stdout)
  (setv trip (.split (.group found 1) " – ")
        [told steps alone] (map int (cut (.groups found) 1 None)))
  (assert (= told shortest (length trip)) f"{shortest}\n{stdout}")
  (assert (= (set trip) (set places)) stdout)
  ; Whatever comes first: who knows a shorter trip follows a part of what others follow.
  (assert (< steps alone) stdout))

(defn test-pipeline-stores-every-function [drawn]
  (setv [stdout _] (drawn #* (get DRAWN "pipeline"))
        kinds #(ast.FunctionDef ast.AsyncFunctionDef))
  (setv functions (lfor
    path (cut (library) 40)
    node (ast.walk (parsed path))
    :if (isinstance node kinds)
    #((branches node) node.name f"{path.name}:{node.lineno}")))
  (assert (.startswith stdout f"{(len functions)} functions are stored;") f"{(len functions)}\n{stdout}")
  (assert (= (lfor  [n name where] (re.findall r"^ +(\d+)  (\S+) +(\S+)$" stdout re.M)  (int n))
             (cut (sorted (gfor  [n _ _] functions  n) :reverse True) 5)) stdout)
  (for [[n name where] (re.findall r"^ +(\d+)  (\S+) +(\S+)$" stdout re.M)]
    (assert (in #((int n) name where) functions) stdout)))

(defn branches [node]
  (+ (cond
       (in (. (type node) __name__) #{"If" "IfExp" "For" "While" "ExceptHandler" "comprehension"}) 1
       (isinstance node ast.BoolOp) (- (len node.values) 1)
       True 0)
     (sum (map branches (ast.iter-child-nodes node)))))

(defn test-animals-are-learned []
  (setv stdout (run "animals" :answers (.join "\n" [
    "no" "no" "a cat" "Does it fly?" "no"
    "No" "no" "yes" ""])))
  (setv said (re.findall r"slave: (.*)" stdout))
  (assert (= said [
    "Does it live in the water? (yes or no)" "Is it a bird? (yes or no)" "I give up. What is it?"
    "What may I ask, to tell a cat from a bird?" "And for a cat, the answer is? (yes or no)" "I shall remember a cat."
    "Does it live in the water? (yes or no)" "Does it fly? (yes or no)" "Is it a cat? (yes or no)" "I knew it."])
    stdout)
  (assert (= (re.findall r"\((\d) animals are known\)" stdout) ["3" "3"]) stdout))

(defn test-animals-let-the-person-go []
  (assert (.endswith (run "animals" :answers "yes\n") "Goodbye.\n")))

(defn [(pytest.mark.parametrize "options" (.values DRAWN) :ids DRAWN)] test-picture-is-drawn [drawn options]
  (pytest.importorskip "matplotlib" :reason "matplotlib is not installed: pip install 'dpfw[gallery]'")
  (setv [_ picture] (drawn #* options)
        [width height] (struct.unpack-from ">2I" (.read-bytes picture) 16))
  (assert (.startswith (.read-bytes picture) b"\x89PNG\r\n\x1a\n"))
  (assert (and (> width 500) (> height 300)) f"{width} × {height}"))


(defn [(pytest.mark.parametrize #("module" "command") [
    #("matplotlib" ["pi" "--picture" "p.png"])
    #("sklearn" ["parameters"])])]
      test-what-is-missing-is-said-at-once [module command tmp-path]
  (.write-text (/ tmp-path f"{module}.py") "raise ImportError")
  (setv [name #* arguments] command
        done (ended name arguments :path tmp-path))
  (assert (= #(done.returncode done.stdout) #(1 "")) done.stdout)
  (assert (re.fullmatch r".* needs .*: pip install 'dpfw\[gallery\]'\n" done.stderr) done.stderr))


;; Its page

(setv README (.read-text (/ GALLERY "README.md") :encoding "utf-8"))

(defn [(pytest.mark.parametrize "name" PROGRAMS)] test-program-is-on-the-page-and-says-how-to-run-it [name]
  (assert (in f"[{name}.hy]({name}.hy): **" README))
  (setv source (.read-text (/ GALLERY f"{name}.hy") :encoding "utf-8"))
  (assert (re.search fr"^Run it with: hy examples/gallery/{name}\.hy$" source re.M)))

(defn test-links-of-the-page-lead-somewhere []
  (setv links (re.findall r"\]\(((?!http)[^)#]+)" README))
  (assert links)
  (for [link links]
    (assert (.exists (/ GALLERY link)) link)))

(defn test-times-on-the-page-are-those-that-were-taken []
  (setv taken (json.loads (.read-text (/ GALLERY "times.json"))))
  (assert (= (set (get taken "times")) (- (set PROGRAMS) #{"animals"})))
  (for [[name times] (.items (get taken "times"))]
    (setv shown (get (.split (get (.split README f"<!-- begin times {name} -->") 1) "<!-- end") 0))
    (for [[side seconds] (.items times)]
      (setv row (+ " |" #* (gfor  s (.values seconds)  f" {s :.2f} s |") "\n"))
      (assert (in row shown) f"{name}, {side}: {row}\n{shown}"))))
