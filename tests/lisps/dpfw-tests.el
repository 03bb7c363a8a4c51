;;; dpfw-tests.el --- Tests of examples/emacs/dpfw.el  -*- lexical-binding: t -*-

;; tests/lisps/test_emacs.hy runs them, with a slave at $DPFW_TEST_HOST and $DPFW_TEST_PORT.

(require 'ert)
(require 'dpfw)

(defvar dpfw-tests-patience 60 "Seconds, for anything at all.")

(defmacro dpfw-tests-with-slave (&rest body)
  "Do BODY with `dpfw-slave' connected and its buffer empty."
  (declare (indent 0))
  `(let ((dpfw-slave (dpfw-connect (getenv "DPFW_TEST_HOST") (string-to-number (getenv "DPFW_TEST_PORT")))))
     (with-current-buffer (process-get dpfw-slave 'buffer)
       (let ((inhibit-read-only t)) (erase-buffer)))
     (unwind-protect (progn ,@body)
       (dpfw-disconnect dpfw-slave))))

(defmacro dpfw-tests-until (condition)
  "Wait until CONDITION holds."
  `(with-timeout (dpfw-tests-patience (ert-fail (list 'never ',condition (dpfw-tests-shown))))
     (while (not ,condition)
       (accept-process-output nil 0.05))))

(defun dpfw-tests-shown ()
  "What the slave's buffer shows."
  (with-current-buffer (process-get dpfw-slave 'buffer)
    (buffer-string)))

(defun dpfw-tests-answer (remote)
  "What becomes of REMOTE, as a list."
  (let (answer)
    (dpfw-task dpfw-slave remote (lambda (&rest told) (setq answer told)))
    (dpfw-tests-until answer)
    answer))

(defun dpfw-tests-type (text)
  "Evaluate the form in TEXT at its end, or where a | stands, and wait until it has ended."
  (with-temp-buffer
    (lisp-data-mode)
    (dpfw-mode)
    (insert text)
    (when (search-backward "|" nil t) (delete-char 1))
    (call-interactively (key-binding (kbd "C-c C-e"))))
  (dpfw-tests-until (null (process-get dpfw-slave 'tasks)))
  (dpfw-tests-shown))

(ert-deftest dpfw-a-task-gives-its-value ()
  (dpfw-tests-with-slave
    (should (equal (dpfw-tests-answer "(fn [i o] (+ 2 3))") '(end 5)))))

(ert-deftest dpfw-data-are-values-of-lisp ()
  (dpfw-tests-with-slave
    (should (equal (dpfw-tests-answer
                    "(fn [i o] [None True False -7 (** 2 70) 1.5 1e300 \"a\\x1b\\n\\\"é\\u2028\" [1 [2]] #(3 4) {\"k\" {}}
                       #{5} 'sym :key (hy.I.fractions.Fraction 1 3) []])")
                   `(end (nil t :false -7 ,(expt 2 70) 1.5 1e300 "a\e\n\"é\u2028" (1 (2)) [3 4] (("k"))
                         (5) sym :key (Fraction 1 3) nil))))
    (should-error (dpfw-read "1 2"))
    (should-error (dpfw-read "b\"bytes\""))
    (should-error (dpfw-read "[1 2"))))

(ert-deftest dpfw-an-error-is-told ()
  (dpfw-tests-with-slave
    (let ((answer (dpfw-tests-answer "(fn [i o] (/ 1 0))")))
      (should (eq (car answer) 'error))
      (should (equal (cdr (assoc "type" (cadr answer))) "ZeroDivisionError")))))

(ert-deftest dpfw-the-form-at-point-is-evaluated-and-shown ()
  (dpfw-tests-with-slave
    (should (equal (dpfw-tests-type "(* 6 7)") "(* 6 7)\n=> 42\n"))
    ;; What is defined stays; and around point, it is the form that begins a line.
    (dpfw-tests-type "(defn twice [x]\n  (* 2 x))")
    (should (string-suffix-p "=> \"HyHy\"\n" (dpfw-tests-type "(twice \"Hy\")")))
    (should (string-suffix-p "(abs\n  (- 8))\n=> 8\n" (dpfw-tests-type "(/ 1 0)\n(abs\n  (- |8))\n(/ 1 0)\n")))))

(ert-deftest dpfw-what-is-printed-is-shown-before-the-value ()
  (dpfw-tests-with-slave
    (should (string-suffix-p "hello é\n=> 5\n" (dpfw-tests-type "(do (print \"hello é\") 5)")))
    (should (string-suffix-p "\"to the port\"\n=> None\n" (dpfw-tests-type "(write \"to the port\" o)")))))

(ert-deftest dpfw-an-error-is-shown-with-its-line ()
  (dpfw-tests-with-slave
    (should (string-match-p "(/ 1 0)\nZeroDivisionError: division by zero\n\\'" (dpfw-tests-type "(/ 1 0)")))))

(ert-deftest dpfw-forms-wait-for-each-other-and-emacs-for-none ()
  (dpfw-tests-with-slave
    (let (answers)
      (dolist (form '("(fn [i o] 1)" "(fn [i o] (/ 1 0))" "(fn [i o] 3)"))
        (dpfw-task dpfw-slave form (lambda (kind _) (push kind answers))))
      (should (null answers))
      (dpfw-tests-until (= 3 (length answers)))
      (should (equal answers '(end error end))))))

(ert-deftest dpfw-an-interrupt-stops-what-runs-and-what-waits ()
  (dpfw-tests-with-slave
    (let (answers)
      (dolist (form '("(fn [i o] (write \"begun\" o) (.flush o) (while True))" "(fn [i o] 2)"))
        (dpfw-task dpfw-slave form
                   (lambda (_ value) (push (if (listp value) (cdr (assoc "type" value)) value) answers))))
      (dpfw-tests-until (string-match-p "begun" (dpfw-tests-shown)))
      (dpfw-interrupt)
      (dpfw-tests-until (= 2 (length answers)))
      (should (equal (sort answers #'string<) '("Interrupted" "dpfw.errors.Interrupted")))
      (should (equal (dpfw-tests-answer "(fn [i o] 4)") '(end 4))))))

(ert-deftest dpfw-another-cookie-is-found-out ()
  (let ((process-environment (cons "DPFW_COOKIE=another cookie than theirs" process-environment)))
    (should (string-match-p "cookies differ"
                            (cadr (should-error (dpfw-tests-with-slave (ert-fail "it connected"))))))))

(ert-deftest dpfw-a-slave-that-hangs-up-is-told ()
  (dpfw-tests-with-slave
    (let (answer)
      (dpfw-task dpfw-slave "(fn [i o] (.abort o.raw.connection) 5)" (lambda (&rest told) (setq answer told)))
      (dpfw-tests-until answer)
      (should (equal (cdr (assoc "type" (cadr answer))) "SlaveLost"))
      (should-error (dpfw-task dpfw-slave "(fn [i o] 1)" #'ignore) :type 'user-error))))

;;; dpfw-tests.el ends here
