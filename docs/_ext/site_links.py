"""Pages that are read in a checkout as well: what leads out of docs/ there, and pictures.

A link to a document outside of docs/ leads to the page that has its text here. A picture in
SVG that a page shows is put into it, so that it has the page's colours, dark ones too.
"""

import os
import re
from pathlib import Path

from docutils import nodes
from sphinx.transforms import SphinxTransform

# Documents outside of docs/: the page that has their text.
PAGES = {
    "README.md": "index.md",
    "SECURITY.md": "explanation/security.md",
    "CHANGELOG.md": "explanation/changelog.md",
}


def lead_to_pages(app, docname, source):
    here = os.path.dirname(docname)
    for outside, page in PAGES.items():
        path = os.path.relpath(page, here or ".")
        source[0] = re.sub(rf"\]\((?:\.\./)+{re.escape(outside)}", f"]({path}", source[0])


class InlineSVG(SphinxTransform):
    # Before Sphinx collects pictures to copy them.
    default_priority = 10

    def apply(self, **kwargs):
        for image in list(self.document.findall(nodes.image)):
            uri = image["uri"]
            if uri.endswith(".svg") and "://" not in uri:
                path, absolute = self.env.relfn2path(uri, self.env.docname)
                self.env.note_dependency(path)
                svg = re.sub(r"^<\?xml.*?\?>\s*", "", Path(absolute).read_text(encoding="utf-8"))
                block = f'<div class="picture">{svg}</div>'
                image.replace_self(nodes.raw("", block, format="html"))


def setup(app):
    app.connect("source-read", lead_to_pages)
    app.add_transform(InlineSVG)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
