"""Sphinx documents Hy: names as Hy spells them, and macros.

Autodoc documents what a Hy module defines as soon as ``hy`` is imported, but under
Python's names. With this extension

- each function, method and class that a Hy module defines has its signature in Hy above
  that in Python;
- ``.. hy:automacro:: module name`` documents a macro, which autodoc does not see, from
  its docstring;
- ``.. hy:summary::`` is a table of all that is documented so, in both spellings, but for what
  is in the modules given as its option ``except``;
- the role ``hy:name`` refers to any of them by its name in Hy or Python, and is code, and
  no warning, where nothing of that name is documented. As ``default_role``, it makes
  links of what stands in single backticks in docstrings.

The setting ``hy_autodoc_names`` is a dict from full names in Python to those that are shown,
where a package has others for its users. It knows nothing of any project.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys

import hy
from docutils import nodes
from docutils.statemachine import StringList
from sphinx import addnodes
from sphinx.directives import ObjectDescription
from sphinx.domains import Domain, ObjType
from sphinx.roles import XRefRole
from sphinx.util.docstrings import prepare_docstring
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import make_id, make_refnode

SHOWN = {"function", "method", "class"}


def hy_parameters(signature, skip=0):
    """The parameters of a signature as ``defn`` has them, as a list of texts."""
    words, kinds = [], inspect.Parameter
    keywords = False
    for p in list(signature.parameters.values())[skip:]:
        name = hy.unmangle(p.name)
        if p.kind == kinds.VAR_POSITIONAL:
            words.append(f"#* {name}")
            keywords = True
        elif p.kind == kinds.VAR_KEYWORD:
            words.append(f"#** {name}")
        else:
            if p.kind == kinds.KEYWORD_ONLY and not keywords:
                words.append("*")
                keywords = True
            words.append(name if p.default is p.empty else f"[{name} {default(p.default)}]")
    return words


def default(value):
    """How a default is written; what has no literal stands for "none given"."""
    text = hy.repr(value)
    return "…" if text.startswith("<") else text


def defined_in_hy(thing):
    module = sys.modules.get(getattr(inspect.unwrap(thing), "__module__", None))
    return str(getattr(module, "__file__", "")).endswith(".hy")


def without_addresses(app, what, name, thing, options, signature, annotation):
    """In Python as well, a default without a literal is …"""
    return signature and re.sub(r"=<[^>]*>", "=…", signature), annotation


def find(module, fullname):
    thing = importlib.import_module(module)
    for name in fullname.split("."):
        thing = getattr(thing, name)
    return thing


def call(name, thing, owner):
    """A call of the thing as Hy writes it: name, then parameters."""
    try:
        signature = inspect.signature(thing)
    except (TypeError, ValueError):
        return [name]
    if owner:
        return [f".{name}", owner.lower(), *hy_parameters(signature, skip=1)]
    return [name, *hy_parameters(signature)]


def signature_node(words, **attributes):
    """A line with a form: parentheses, the name that is defined, the rest."""
    node = addnodes.desc_signature("", "", classes=["hy-signature"], **attributes)
    head, *rest = words
    node += addnodes.desc_sig_punctuation("", "(")
    node += addnodes.desc_name("", head)
    for word in rest:
        node += addnodes.desc_sig_space()
        node += nodes.inline("", word, classes=["hy-parameter"])
    node += addnodes.desc_sig_punctuation("", ")")
    return node


def add_hy_signature(app, domain, objtype, content):
    """Above the signature of a Python object, that of the same thing in Hy."""
    if domain != "py" or objtype not in SHOWN:
        return
    for line in list(content.parent.children):
        # Those of members are in the content.
        if not (isinstance(line, addnodes.desc_signature) and line.get("module") and line["ids"]):
            continue
        thing = find(line["module"], line["fullname"])
        if not defined_in_hy(thing):
            continue
        owner, _, last = line["fullname"].rpartition(".")
        name = hy.unmangle(last if owner else getattr(thing, "__name__", last))
        above = signature_node(call(name, thing, owner))
        content.parent.insert(content.parent.index(line), above)
        line["classes"].append("python-signature")
        python = show_under(app.config.hy_autodoc_names, line)
        full = f"{owner}.{name}" if owner else name
        about = "" if owner else first_sentence(thing.__doc__)
        domain_of(app).note(full, "object", line["ids"][0], python, about)


def show_under(names, line):
    """Show a signature in Python under the name that users know; returns that."""
    full = f"{line['module']}.{line['fullname']}"
    if full not in names:
        return full
    module, _, last = names[full].rpartition(".")
    for part in line.findall(addnodes.desc_addname):
        part.clear()
        part += nodes.Text(f"{module}.")
    for part in line.findall(addnodes.desc_name):
        part.clear()
        part += nodes.Text(last)
    return names[full]


def first_sentence(docstring):
    """Of a docstring, without its marks."""
    paragraph = " ".join(inspect.cleandoc(docstring or "").partition("\n\n")[0].split())
    return re.split(r"(?<=\w)[.;:](?: |$)| ::", paragraph)[0].replace("`", "")


def domain_of(app):
    return app.env.get_domain("hy")


class AutoMacro(ObjectDescription):
    """``.. hy:automacro:: module name``"""

    def run(self):
        module, name = self.arguments[0].split()
        self.macro = importlib.import_module(module)._hy_macros[hy.mangle(name)]
        self.name_in_hy = name
        lines = [*prepare_docstring(self.macro.__doc__ or ""), "", *self.content]
        self.content = StringList(lines, source=f"docstring of {module} {name}")
        return super().run()

    def handle_signature(self, sig, signode):
        line = signature_node([self.name_in_hy, *hy_parameters(inspect.signature(self.macro))])
        signode["classes"] += ["hy-signature"]
        signode += line.children
        return self.name_in_hy

    def add_target_and_index(self, name, sig, signode):
        node_id = make_id(self.env, self.state.document, "macro", name)
        signode["ids"].append(node_id)
        self.state.document.note_explicit_target(signode)
        about = first_sentence(self.macro.__doc__)
        self.env.get_domain("hy").note(name, "macro", node_id, None, about)
        self.indexnode["entries"].append(("single", f"{name} (macro)", node_id, "", None))

    def _object_hierarchy_parts(self, signode):
        return ()


class NameRole(XRefRole):
    """A name that is a link where it is documented, and code anyway."""

    def process_link(self, env, refnode, has_explicit_title, title, target):
        return title, target.strip("()")


class summary(nodes.General, nodes.Element):
    """The place of the table, until all is read."""


class Summary(SphinxDirective):
    option_spec = {"except": str.split}  # modules

    def run(self):
        return [summary(without=self.options.get("except", []))]


def fill_summaries(app, doctree, docname):
    for place in list(doctree.findall(summary)):
        place.replace_self(summary_table(app, docname, place["without"]))


def in_order(app, docname):
    """What is documented, in the order of the pages below this one, and on each as it stands there."""
    order = {name: n for n, name in enumerate(app.env.toctree_includes.get(docname, []))}
    items = domain_of(app).data["objects"].items()
    return sorted(items, key=lambda item: order.get(item[1][0], len(order)))


def summary_table(app, docname, without):
    table = nodes.table(classes=["hy-summary"])
    group = nodes.tgroup(cols=3)
    table += group
    for width in (28, 32, 40):
        group += nodes.colspec(colwidth=width)
    head, body = nodes.thead(), nodes.tbody()
    group += [head, body]
    head += row(nodes.Text("Hy"), nodes.Text("Python"), nodes.Text(""))
    for name, (there, kind, node_id, python, about) in in_order(app, docname):
        if "." in name or (python or "").rpartition(".")[0] in without:
            continue
        link = nodes.literal(name, name)
        link = make_refnode(app.builder, docname, there, node_id, link)
        python = nodes.Text("a macro") if kind == "macro" else nodes.literal(python, python)
        body += row(link, python, nodes.Text(about))
    return table


def row(*cells):
    return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", cell)) for cell in cells))


class HyDomain(Domain):
    name = "hy"
    label = "Hy"
    object_types = {"object": ObjType("object", "name"), "macro": ObjType("macro", "name")}
    directives = {"automacro": AutoMacro, "summary": Summary}
    roles = {"name": NameRole()}
    initial_data = {"objects": {}}  # name in Hy: document, kind, id, name in Python, sentence
    data_version = 1

    def note(self, name, kind, node_id, python, about):
        """A name in Hy: where it is documented, what it is in Python, if anything, and for."""
        self.data["objects"][name] = (self.env.docname, kind, node_id, python, about)

    def clear_doc(self, docname):
        objects = self.data["objects"]
        self.data["objects"] = {n: o for n, o in objects.items() if o[0] != docname}

    def merge_domaindata(self, docnames, otherdata):
        for name, found in otherdata["objects"].items():
            if found[0] in docnames:
                self.data["objects"][name] = found

    def get_objects(self):
        for name, (docname, kind, node_id, *_) in self.data["objects"].items():
            # The objects are in the search as Python's, too.
            yield name, name, kind, docname, node_id, 1

    def resolve_xref(self, env, fromdocname, builder, typ, target, node, contnode):
        found = self.data["objects"].get(target)
        if found is None:
            return self.python_reference(env, fromdocname, builder, target, node, contnode)
        docname, _, node_id, *_ = found
        return make_refnode(builder, fromdocname, docname, node_id, contnode, target)

    def python_reference(self, env, fromdocname, builder, target, node, contnode):
        """A class or exception, by its name alone, if one is documented."""
        objects = env.get_domain("py").objects
        matches = [n for n in objects if n.rpartition(".")[2] == hy.mangle(target)]
        if not target.isidentifier() or len(matches) != 1:
            return contnode
        entry = objects[matches[0]]
        return make_refnode(builder, fromdocname, entry.docname, entry.node_id, contnode, target)

    def resolve_any_xref(self, env, fromdocname, builder, target, node, contnode):
        return []


def setup(app):
    app.add_domain(HyDomain)
    app.add_config_value("hy_autodoc_names", {}, "env")
    app.add_node(summary)
    app.connect("autodoc-process-signature", without_addresses)
    app.connect("doctree-resolved", fill_summaries)
    app.connect("object-description-transform", add_hy_signature)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
