"Every exception that dpfw raises.

They stand in one family, so that ``(except [DpfwError])`` catches them all,
and each is also the built-in exception that fits it best.

.. code-block:: text

    DpfwError
      UnwritableError   TypeError          a value has no s-expression
      DatumSyntaxError  SyntaxError        a text is no datum
      CookieError       PermissionError    there is no cookie to trust
      HandshakeError    ConnectionError    the two ends did not come together
        Refused                            and one of them said why
      SettingError      ValueError         an environment variable is wrong
      AddressError      OSError            a host or port cannot be used
      WireError         ConnectionError    the other end broke the protocol
      SlaveLost         ConnectionError    a slave went away with a task
      MasterClosed      RuntimeError       the master has left the network
      NoSlaves          RuntimeError       nobody is there, nor will be, for a task
      LaunchError       ChildProcessError  a slave process did not come up
      TaskTimeout       TimeoutError       a task ran longer than it may
      NotProcedureError TypeError          a remote yields no (fn [i o] …)
      RemoteError                          the remote failed
      Fault             AssertionError     dpfw itself has
"

(defclass DpfwError [Exception]
  "What all the exceptions of dpfw have in common.")

(defclass UnwritableError [DpfwError TypeError]
  "A value has no s-expression. The message names its type and where in the
  structure it sits. Nothing has been sent.")

(defclass DatumSyntaxError [DpfwError SyntaxError]
  "A text is not one datum. ``lineno`` and ``offset`` (both from 1) say where,
  ``msg`` says why.")

(defclass CookieError [DpfwError PermissionError]
  "The cookie is missing, cannot be read, is too short, or can be read or
  exchanged by others. The message names the file and what to type.")

(defclass HandshakeError [DpfwError ConnectionError]
  "The two ends did not come to terms: another protocol, another version,
  another cookie, the same role twice, or silence.")

(defclass Refused [HandshakeError]
  "One end told the other why it will have nothing to do with it. Trying again
  will not help before someone changes something.")

(defclass SettingError [DpfwError ValueError]
  "An environment variable holds what makes no sense.")

(defclass AddressError [DpfwError OSError]
  "A host does not resolve, or a port cannot be listened on.")

(defclass WireError [DpfwError ConnectionError]
  "The other end sent what is no frame, or ended in the middle of one.")

(defclass SlaveLost [DpfwError ConnectionError]
  "The session with a slave ended while it had a task. What became of the task
  is unknown: it may have run to its end, in part, or not at all.")

(defclass MasterClosed [DpfwError RuntimeError]
  "The master left the network before the task was done.")

(defclass NoSlaves [DpfwError RuntimeError]
  "A task waits in a process of multiprocessing's, which has no slaves of its own.")

(defclass LaunchError [DpfwError ChildProcessError]
  "A slave process ended, or did not connect in time, while it was launched.")

(defclass TaskTimeout [DpfwError TimeoutError]
  "A task ran longer than its ``:timeout``. Its remote is being interrupted.")

(defclass NotProcedureError [DpfwError TypeError]
  "A remote yields what cannot be called with an input and an output port.")

(defclass RemoteError [DpfwError]
  "A remote failed. What ``force`` raises is of a class made for the occasion,
  which is also the built-in exception that the remote raised.

  ``type-name`` is the full name of the exception's class on the slave,
  ``message`` what the exception said there, ``traceback`` the text of the remote's
  traceback, ``index`` the item that it was about in a call over a collection, from 0.

  Whoever shows the error shows the remote's traceback below it, as a note. Before
  Python 3.11 there are no notes, and it is the cause (``__cause__``)."

  (setv type-name None  message None  traceback None  index None)

  (defn __str__ [self]
    (setv message (if (is self.message None) (.__str__ (super)) self.message))
    (if (is self.index None)
      message
      f"item {self.index}: {message}")))

(defclass Fault [DpfwError AssertionError]
  "dpfw has come into a state in which what happened cannot happen. The message
  names both; please report it.")

(defclass RemoteTraceback [DpfwError]
  "The traceback of a remote, where Python has no notes.")

(defclass Interrupted [KeyboardInterrupt]
  "Raised inside a remote, on the slave, when its master cancels it, or goes
  away. Not a `DpfwError`, nor an `Exception`: a remote that cares about every
  error should still stop.")
