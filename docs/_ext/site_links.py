"""Pages that are read in a checkout as well: what leads out of docs/ there, and pictures.

A link to a document outside of docs/ leads to the page that has its text here, or is text, if
none has. Of a toctree, an entry after a question mark counts if there is such a page. A picture
in SVG that a page shows is put into it, so that it has the page's colours, dark ones too.
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
    folder = Path(app.srcdir, docname).parent
    text = source[0]
    for outside, page in PAGES.items():
        path = os.path.relpath(Path(app.srcdir, page), folder)
        text = re.sub(rf"\]\((?:\.\./)+{re.escape(outside)}(?=[#)])", f"]({path}", text)

    def inside_or_text(link):
        target = Path(os.path.normpath(folder / link[2]))
        inside = target.is_relative_to(app.srcdir)
        return link[0] if inside or target.suffix not in {"", ".md"} else link[1]

    def if_there(entry):
        return f"{entry[1]}\n" if (folder / f"{entry[1]}.md").exists() else ""

    text = re.sub(r"\[([^\]]+)\]\((\.\./[^)#]+)(?:#[^)]*)?\)", inside_or_text, text)
    source[0] = re.sub(r"^\? (\S+)\n", if_there, text, flags=re.M)


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
