"Takes the census anew and puts its output into README.md. Run it, with nothing
else to do for the machine, with: hy docs/census.hy"

(import
  pathlib [Path]
  re
  subprocess)

(setv
  root (. (Path __file__) (absolute) parent parent)
  readme (/ root "README.md")
  report (subprocess.check-output
    [hy.sys-executable "-m" "hy" (/ root "examples" "stdlib_census.hy")]
    :cwd root :text True))

(.write-text readme :encoding "utf-8"
  (re.sub "(?<=<!-- begin census -->\n```\n).*?(?=```\n<!-- end census -->)"
    (fn [_] report)
    (.read-text readme :encoding "utf-8")
    :flags re.S))
