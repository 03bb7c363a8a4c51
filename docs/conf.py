"""How Sphinx makes a site of these pages: `make docs`."""

import sys
from pathlib import Path

import hy  # noqa: F401  modules in Hy can be imported from here on

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

import dpfw  # noqa: E402

project = "dpfw"
author = "the authors of dpfw"
copyright = "the authors of dpfw; GPL-2.0-or-later"
version = release = dpfw.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "hy_autodoc", "command_help", "site_links"]
source_suffix = {".md": "markdown"}
exclude_patterns = []

# In docstrings, a name in backticks is a link if it is documented.
default_role = "hy:name"
hy_autodoc_names = {
    f"{module}.{there}": f"dpfw.{name}" for name, (module, there) in dpfw._NAMES.items()
} | {"dpfw.launch.dpfw_launch": "dpfw.launch"}
highlight_language = "text"
add_module_names = True
smartquotes = False  # what stands in quotes is to be typed, mostly
autodoc_member_order = "bysource"
autodoc_typehints = "none"
python_display_short_literal_types = True

# Headings can be linked to, as on a page of a repository.
myst_heading_anchors = 3
myst_enable_extensions = ["attrs_inline"]

html_theme = "furo"
html_title = f"dpfw {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
pygments_style = "friendly"
pygments_dark_style = "monokai"
