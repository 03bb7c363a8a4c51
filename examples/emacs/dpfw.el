;;; dpfw.el --- Evaluate Hy on a dpfw slave  -*- lexical-binding: t -*-

;; Package-Requires: ((emacs "28.1"))
;; SPDX-License-Identifier: GPL-2.0-or-later

;;; Commentary:

;; A master in Emacs Lisp, which dials a slave; in the order of docs/protocol.md.
;;
;;   M-x dpfw-connect       dial a slave; its output has a buffer of its own
;;   M-x dpfw-mode          in a buffer with Hy:
;;   C-c C-e                evaluate the form at point there.  Emacs goes on meanwhile
;;   C-c C-k                interrupt it
;;
;; From Lisp, `dpfw-task' sends a remote and calls a function with what comes of it.

;;; Code:

(require 'cl-lib)
(require 'gnutls)
(require 'hex-util)
(require 'subr-x)
(require 'thingatpt)

(defgroup dpfw nil "Evaluate Hy on a dpfw slave." :group 'lisp :prefix "dpfw-")
(defface dpfw-error '((t :inherit error)) "What went wrong on the slave.")
(defface dpfw-log '((t :inherit warning)) "What was logged there, or said on standard error.")
(defface dpfw-form '((t :inherit shadow)) "What was sent there.")

(defvar dpfw-slave nil "The connection of the last `dpfw-connect'.")
(defvar dpfw-patience 10 "Seconds that a slave has for the handshake.")

;; A connection's properties:
;;   input    a buffer with the bytes that have come and are not understood yet
;;   step     the function that understands what comes next; nil if there is not enough of it
;;   tasks    a list of `dpfw-work': the one that runs, and those that wait for it
;;   number   that of the last task
;;   buffer   where all is shown
(cl-defstruct dpfw-work remote done label number (unshown ""))


;;; The channel: TLS, unless it stays on this machine

;;;###autoload
(defun dpfw-connect (host port)
  "Connect to the dpfw slave that listens on HOST and PORT; return the connection."
  (interactive (list (read-string "Host (default 127.0.0.1): " nil nil "127.0.0.1") (read-number "Port: " 10000)))
  (let* ((name (format "dpfw %s:%s" host port))
         (slave (make-network-process
                 :name name :host host :service port :coding 'binary :noquery t :nodelay t
                 :filter #'dpfw--filter :sentinel #'dpfw--sentinel)))
    (process-put slave 'input (generate-new-buffer (format " *input of %s*" name)))
    (process-put slave 'buffer (get-buffer-create (format "*%s*" name)))
    (with-current-buffer (process-get slave 'input)
      (set-buffer-multibyte nil))
    (with-current-buffer (process-get slave 'buffer)
      (unless (derived-mode-p 'special-mode) (special-mode)))
    (condition-case failure
        (progn
          (dpfw--shake-hands slave (dpfw--secure slave host))
          (dpfw--await-handshake slave))
      ((error quit)
       (dpfw--lose slave "the handshake failed")
       (signal (car failure) (cdr failure))))
    (when (called-interactively-p 'any)
      (display-buffer (process-get slave 'buffer)))
    (setq dpfw-slave slave)))

(defun dpfw--secure (slave host)
  "Make SLAVE, a connection to HOST, TLS if it leaves the machine.
Return the channel binding.  Nobody vouches for the certificate but the
proofs, which are bound to it."
  (if (pcase (process-contact slave :remote)
        (`[127 ,_ ,_ ,_ ,_] t)
        (`[0 0 0 0 0 0 0 1 ,_] t))
      ""
    ;; This waits for the other end, or for C-g: here, no timer runs.
    (gnutls-negotiate :process slave :hostname host :verify-error nil
                      :priority-string "NORMAL:-VERS-ALL:+VERS-TLS1.3")
    (let ((pem (plist-get (plist-get (gnutls-peer-status slave) :certificate) :pem)))
      (secure-hash 'sha256 (base64-decode-string (replace-regexp-in-string "-----.*-----" "" pem))))))

(defun dpfw--cookie ()
  "The secret that both ends hold."
  (string-trim
   (or (getenv "DPFW_COOKIE")
       (with-temp-buffer
         (insert-file-contents
          (or (getenv "DPFW_COOKIE_FILE")
              (expand-file-name "dpfw/cookie" (or (getenv "XDG_CONFIG_HOME") "~/.config"))))
         (buffer-string)))))


;;; The handshake

(defun dpfw--shake-hands (slave binding)
  "Begin to prove to SLAVE that we hold its cookie, and to see that it does.
BINDING is the channel's.  At the end of it, SLAVE's step is `dpfw--frame'."
  ;; We do not say `packed', so that data come as text; `about', to ask for output.
  (let ((dialled (format "(dpfw 1 master \"%s\" \"%s\" about)" (dpfw--random-id) (dpfw--random-id))))
    (process-put slave 'step
      (lambda (slave)
        (when-let ((line (dpfw--line 512)))
          (unless (string-match (rx bos (group "(dpfw 1 slave \"" (= 32 hex) "\" \"" (= 32 hex) "\""
                                               (group (** 0 8 " " (** 1 16 (any "a-z")))))
                                    " \"" (group (= 64 hex)) "\")" eos)
                                line)
            (error "No slave is there that would serve us; it says: %s" line))
          (let* ((listened (concat (match-string 1 line) ")"))
                 (theirs (match-string 3 line))
                 (about (member "about" (split-string (match-string 2 line))))
                 (proof (lambda (side) (dpfw--proof side dialled listened binding))))
            (unless (dpfw--same-p theirs (funcall proof "listener"))
              (process-send-string slave "(refused \"the cookies differ\")\n")
              (error "The cookies differ, or somebody stands between; give both ends the same DPFW_COOKIE"))
            (process-send-string slave (format "(proof \"%s\")\n" (funcall proof "dialler")))
            (if (not about)
                (process-put slave 'step #'dpfw--frame)
              (process-send-string slave "{\"output\" True}\n")
              (process-put slave 'step
                (lambda (slave)
                  (when (dpfw--line 4096)  ; what the slave says of itself, which nobody asks for here
                    (process-put slave 'step #'dpfw--frame)))))
            t))))
    (process-send-string slave (concat dialled "\n"))))

(defun dpfw--await-handshake (slave)
  "Wait until the handshake with SLAVE has succeeded or failed."
  (let ((deadline (+ (float-time) dpfw-patience)))
    (while (not (eq (process-get slave 'step) #'dpfw--frame))
      (unless (process-live-p slave)
        (error "%s" (or (process-get slave 'why) "The slave has hung up")))
      (when (> (float-time) deadline)
        (error "What is there has not said in %s seconds what a slave says" dpfw-patience))
      (accept-process-output slave 0.1))))

(defun dpfw--random-id ()
  "32 hexadecimal digits, drawn at random."
  (substring (secure-hash 'sha256 'iv-auto 32) 0 32))

(defun dpfw--proof (side dialled listened binding)
  "The proof of SIDE, over the lines DIALLED and LISTENED and the BINDING."
  (encode-hex-string
   (gnutls-hash-mac 'SHA256
                    (encode-coding-string (dpfw--cookie) 'utf-8)
                    (string-join (list "dpfw proof 1" side dialled listened binding) "\n"))))

(defun dpfw--same-p (a b)
  "Are the texts A and B the same?
The time that this takes does not tell where they differ."
  (and (= (length a) (length b) 64)
       (zerop (cl-reduce #'logior (cl-mapcar #'logxor a b)))))

(defun dpfw--line (limit)
  "Take the next line, of at most LIMIT bytes, of the input.
Nil if it is not complete."
  (goto-char (point-min))
  (cond ((search-forward "\n" (min (point-max) (+ 1 limit)) t)
         (prog1 (buffer-substring (point-min) (1- (point)))
           (delete-region (point-min) (point))))
        ((>= (buffer-size) limit) (error "No slave is there; it does not end its line"))))


;;; Frames

(defun dpfw--send (slave kind number &optional payload)
  "Send SLAVE a frame."
  (let ((bytes (encode-coding-string (or payload "") 'utf-8)))
    (process-send-string slave (concat (format "(%s %d %d)\n" kind number (length bytes)) bytes))))

(defun dpfw--filter (slave bytes)
  "Understand the BYTES that have come from SLAVE, as far as they are complete."
  (condition-case failure
      (with-current-buffer (process-get slave 'input)
        (goto-char (point-max))
        (insert bytes)
        (while (and (buffer-live-p (process-get slave 'input))
                    (funcall (process-get slave 'step) slave))))
    (error (dpfw--lose slave (error-message-string failure)))))

(defun dpfw--frame (slave)
  "Take the next frame of SLAVE's; nil if it is not complete."
  (goto-char (point-min))
  (if (looking-at "(\\([a-z]\\{1,8\\}\\) \\([0-9]\\{1,15\\}\\) \\([0-9]\\{1,15\\}\\))\n")
      (let* ((kind (match-string 1))
             (number (string-to-number (match-string 2)))
             (begin (match-end 0))
             (end (+ begin (string-to-number (match-string 3)))))
        (when (<= end (point-max))
          (let ((payload (buffer-substring begin end)))
            (delete-region (point-min) end)
            (dpfw--take slave kind number payload))
          t))
    (when (>= (buffer-size) 48)
      (error "What came is no frame: %s" (buffer-substring 1 49)))))

(defun dpfw--take (slave kind number payload)
  "Do what a frame of SLAVE's says."
  (let ((work (car (process-get slave 'tasks))))
    (unless (or (and work (= number (dpfw-work-number work)))
                (and (equal kind "output") (= number 0)))
      (error "A frame that has no place here: %s %s" kind number))
    (pcase kind
      ("data" (dpfw--show-lines slave work payload))
      ("output" (pcase (dpfw-read payload)
                  (`("stdout" ,text) (dpfw--show slave text))
                  (`("stderr" ,text) (dpfw--show slave text 'dpfw-log))
                  (`("log" ,name ,_ ,message ,traceback)
                   (dpfw--show slave (format "%s: %s\n%s" name message traceback) 'dpfw-log))))
      ("end" (dpfw--finish slave 'end (dpfw-read payload)))
      ("error" (dpfw--finish slave 'error (dpfw-read payload)))
      (_ (error "A frame that is no slave's: %s" kind)))))


;;; Tasks

(defun dpfw-task (slave remote done &optional label)
  "Have SLAVE run REMOTE, which is Hy as text, after what it was given before.
DONE is called with `end' and the result, or with `error' and an alist that
tells of the exception, as docs/protocol.md has it.  LABEL is shown when the
remote is sent."
  (unless (process-live-p slave)
    (user-error "There is no slave; type M-x dpfw-connect"))
  (process-put slave 'tasks
    (append (process-get slave 'tasks) (list (make-dpfw-work :remote remote :done done :label label))))
  (dpfw--begin slave))

(defun dpfw--begin (slave)
  "Send SLAVE its next task, unless one runs."
  (let ((work (car (process-get slave 'tasks))))
    (when (and work (not (dpfw-work-number work)))
      (let ((number (1+ (or (process-get slave 'number) 0))))
        (process-put slave 'number number)
        (setf (dpfw-work-number work) number)
        (when (dpfw-work-label work)
          (dpfw--show slave (concat (dpfw-work-label work) "\n") 'dpfw-form))
        (dpfw--send slave "task" number (dpfw-work-remote work))
        ;; The remote has nobody to talk with.
        (dpfw--send slave "eof" number)))))

(defun dpfw--finish (slave kind value)
  "The task that SLAVE runs has ended, as KIND and VALUE say."
  (let ((work (pop (process-get slave 'tasks))))
    (unless (string-empty-p (dpfw-work-unshown work))
      (dpfw--show-lines slave work "\n"))
    (dpfw--tell work kind value)
    (when (process-live-p slave)
      (dpfw--begin slave))))

(defun dpfw--tell (work kind value)
  "Tell whoever gave WORK what became of it: KIND and VALUE."
  (with-demoted-errors "dpfw: %S"
    (funcall (dpfw-work-done work) kind value)))

(defun dpfw--exception (type message)
  "What a slave would tell of an exception of this TYPE and MESSAGE."
  `(("type" . ,type) ("message" . ,message) ("traceback" . "")))

(defun dpfw-interrupt (&optional slave)
  "Interrupt what runs on SLAVE.  What waits for it is not begun any more."
  (interactive)
  (let* ((slave (or slave dpfw-slave))
         (work (and slave (car (process-get slave 'tasks)))))
    (unless work
      (user-error "Nothing runs there"))
    (dpfw--send slave "cancel" (dpfw-work-number work))
    (dolist (waiting (cdr (process-get slave 'tasks)))
      (dpfw--tell waiting 'error (dpfw--exception "Interrupted" "it had not begun")))
    (setcdr (process-get slave 'tasks) nil)))

(defun dpfw-disconnect (&optional slave)
  "Hang up on SLAVE."
  (interactive)
  (dpfw--lose (or slave dpfw-slave) "disconnected"))

(defun dpfw--sentinel (slave event)
  "SLAVE has hung up, as EVENT says."
  (unless (process-live-p slave)
    (dpfw--lose slave (string-trim event))))

(defun dpfw--lose (slave why)
  "The connection SLAVE ends, because of WHY."
  (unless (process-get slave 'why)
    (process-put slave 'why why)
    (delete-process slave)
    (kill-buffer (process-get slave 'input))
    (dpfw--show slave (format "The connection is closed: %s\n" why) 'dpfw-error)
    (while (process-get slave 'tasks)
      (dpfw--tell (pop (process-get slave 'tasks)) 'error
                  (dpfw--exception "SlaveLost" (concat "what became of the task is unknown: " why))))))


;;; Data: one line of text.  None is nil, False `:false'; a list, set, or a tagged value, a list; a tuple a vector; a
;;; dict an alist.

(defun dpfw-read (text)
  "The value of the datum TEXT.  Evaluates nothing."
  (with-temp-buffer
    (insert (if (multibyte-string-p text) text (decode-coding-string text 'utf-8)))
    (goto-char (point-min))
    (prog1 (dpfw--datum)
      (skip-chars-forward " \n")
      (unless (eobp) (error "This is more than one datum: %s" text)))))

(defun dpfw--datum ()
  "Read the datum after point."
  (skip-chars-forward " \n")
  (cond ((eq (char-after) ?\") (read (current-buffer)))  ; the escapes that dpfw writes are Emacs's, too
        ((looking-at "\\[") (dpfw--items "]"))
        ((looking-at "#(") (vconcat (dpfw--items ")")))
        ((looking-at "#{") (dpfw--items "}"))
        ((looking-at "{") (cl-loop for (key value) on (dpfw--items "}") by #'cddr collect (cons key value)))
        ((looking-at "(\\([^][(){} \n]+\\)") (cons (intern (match-string 1)) (dpfw--items ")")))
        ((looking-at "'?\\([^][(){}'\" \n]+\\)")
         (goto-char (match-end 0))
         (if (eq (char-after (match-beginning 0)) ?')
             (intern (match-string 1))
           (dpfw--word (match-string 1))))
        (t (error "No datum: %s" (buffer-string)))))

(defun dpfw--items (closer)
  "Read the data from the end of the last match up to CLOSER."
  (goto-char (match-end 0))
  (let (items)
    (while (progn (skip-chars-forward " \n") (not (looking-at (regexp-quote closer))))
      (push (dpfw--datum) items))
    (goto-char (match-end 0))
    (nreverse items)))

(defun dpfw--word (word)
  "The value of WORD."
  (pcase word
    ("None" nil) ("True" t) ("False" :false) ("NaN" 0.0e+NaN) ("Inf" 1.0e+INF) ("-Inf" -1.0e+INF)
    ((rx bos (? "-") (+ digit) (? "." (+ digit)) (? "e" (any "+-") (+ digit)) eos) (string-to-number word))
    ((rx bos ":") (intern word))
    (_ (error "Emacs has no value for %s" word))))


;;; In a buffer with Hy

(defvar dpfw-mode-map
  (let ((map (make-sparse-keymap)))
    (define-key map (kbd "C-c C-e") #'dpfw-eval-form)
    (define-key map (kbd "C-c C-k") #'dpfw-interrupt)
    map)
  "The keys of `dpfw-mode'.")

;;;###autoload
(define-minor-mode dpfw-mode
  "Evaluate the Hy of this buffer on a dpfw slave, with \\[dpfw-eval-form]."
  :lighter " dpfw")

(defun dpfw-eval-form (begin end)
  "Evaluate the form from BEGIN to END on the slave; show what it prints and gives.
Interactively, that is the region if it is active, else the form that ends at
point, else the one around it that begins a line."
  (interactive (dpfw--bounds))
  (let ((form (string-trim (buffer-substring-no-properties begin end)))
        (slave (or dpfw-slave (call-interactively #'dpfw-connect))))
    (dpfw-task slave (dpfw--remote form)
      (lambda (kind value)
        (let ((text (if (eq kind 'end) (concat "=> " value) (dpfw--told value))))
          (dpfw--show slave (concat text "\n") (if (eq kind 'error) 'dpfw-error))
          (message "%s" (car (last (split-string text "\n" t))))))
      form)))

(defun dpfw--bounds ()
  "Where the form at point begins and ends."
  (let ((bounds (cond ((use-region-p) (cons (region-beginning) (region-end)))
                      ((memq (char-before) '(?\) ?\] ?\}))
                       (cons (save-excursion (backward-sexp) (point)) (point)))
                      (t (or (bounds-of-thing-at-point 'defun) (bounds-of-thing-at-point 'sexp))))))
    (unless bounds
      (user-error "There is no form at point"))
    (list (car bounds) (cdr bounds))))

(defun dpfw--remote (form)
  "A remote that gives the text of FORM's value.
What defines something is evaluated where remotes are, so that it stays there;
all else within the procedure, which keeps no other master waiting."
  (format (if (string-match-p (rx bos "(" (or "def" "setv" "import" "require" "eval-")) form)
              "((fn [it] (fn [i o] (hy.repr it)))\n%s\n)"
            "(fn [i o] (hy.repr\n%s\n))")
          form))

(defun dpfw--told (exception)
  "What is shown of an EXCEPTION."
  (let ((of (lambda (key) (cdr (assoc key exception)))))
    (if (string-empty-p (funcall of "traceback"))
        (format "%s: %s" (funcall of "type") (funcall of "message"))
      (string-trim-right (funcall of "traceback")))))

(defun dpfw--show-lines (slave work bytes)
  "Show what WORK's remote writes to its port on SLAVE, by the line: BYTES, too."
  (let* ((all (concat (dpfw-work-unshown work) bytes))
         (lines (if (string-match ".*\n" all) (1+ (cl-position ?\n all :from-end t)) 0)))
    (setf (dpfw-work-unshown work) (substring all lines))
    (dpfw--show slave (decode-coding-string (substring all 0 lines) 'utf-8))))

(defun dpfw--show (slave text &optional face)
  "Show TEXT in the buffer of SLAVE."
  (let ((buffer (process-get slave 'buffer)))
    (when (buffer-live-p buffer)
      (with-current-buffer buffer
        (let ((inhibit-read-only t))
          (save-excursion
            (goto-char (point-max))
            (insert (propertize text 'face face))))
        (dolist (window (get-buffer-window-list nil nil t))
          (set-window-point window (point-max)))))))

(provide 'dpfw)
;;; dpfw.el ends here
