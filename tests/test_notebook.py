"""dpfw in a notebook's kernel: the example's cells give what it shows, and a cell can
be interrupted.

The kernels' clients run in processes of their own, since they leave threads behind.
"""

import json

from tests.programs import ROOT, run

EXAMPLES = ROOT / "examples"

EXECUTE = """
import json, sys
import nbclient, nbformat

notebook = nbformat.read(sys.argv[1], 4)
nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
json.dump([cell.outputs for cell in notebook.cells if cell.cell_type == "code"], sys.stdout)
"""

INTERRUPT = """
import os, sys, time
from jupyter_client.manager import start_new_kernel

LAUNCH = "import dpfw; dpfw.launch(1)"
# The slave says when it runs.
HANG = f'''dpfw.map("(fn [path] (with [f (open path \\\\"w\\\\")] (while True)))", [{sys.argv[1]!r}])'''
AFTER = "print(dpfw.tasks(), dpfw.map(len, ['abc'], progress=True))"

def printed(message):
    if message["msg_type"] in ("stream", "error"):
        print(message["content"].get("text", message["content"]))

manager, client = start_new_kernel()
try:
    client.execute_interactive(LAUNCH, timeout=60, output_hook=printed)
    # Else the kernel refuses what it is sent in the moment after the interrupt.
    client.execute(HANG, stop_on_error=False)
    while not os.path.exists(sys.argv[1]):
        time.sleep(0.01)
    manager.interrupt_kernel()
    print(client.get_shell_msg(timeout=60)["content"]["ename"])
    client.execute_interactive(AFTER, timeout=60, output_hook=printed)
finally:
    client.stop_channels()
    manager.shutdown_kernel()
"""


def test_the_cells_give_what_the_notebook_shows():
    path = EXAMPLES / "notebook.ipynb"
    cells = json.loads(path.read_text())["cells"]
    shown = [cell["outputs"] for cell in cells if cell["cell_type"] == "code"]
    given = json.loads(run("-c", EXECUTE, path, cwd=EXAMPLES))
    assert [list(map(text, outputs)) for outputs in given] == [
        list(map(text, outputs)) for outputs in shown
    ]
    assert sum(map(len, shown)) > 5


def text(output):
    """What a person sees of an output; files have texts as lists of lines."""
    seen = output["data"]["text/plain"] if "data" in output else output["text"]
    return "".join(seen)


def test_a_cell_that_is_interrupted_cancels_its_call(tmp_path):
    printed = run("-c", INTERRUPT, tmp_path / "running", cwd=EXAMPLES)
    assert printed.startswith("KeyboardInterrupt\n"), printed
    assert "[] [3]" in printed
    assert "1/1" in printed
