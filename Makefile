# All that a developer or a CI runs. It needs make, Python 3.10 or newer and a
# package index that pip knows. `make` alone lists the targets.

# The interpreter to use: make test PYTHON=python3.12
PYTHON = python3
VENV = .venv
# More arguments, for pytest: make test ARGS='tests/test_sexp.hy -x', or for gallery: ARGS='pi --no-times'
ARGS =
# More interpreters for test-all to consider, before those on PATH.
PYTHONS =
VERSIONS = 3.10 3.11 3.12 3.13

# With it set, every process compiles every .hy file again: 1.7 s instead of
# 0.09 s for a slave to start.
unexport PYTHONDONTWRITEBYTECODE

# Nobody is there to answer a question of pip's, or to act on its advice.
export PIP_NO_INPUT = 1
export PIP_DISABLE_PIP_VERSION_CHECK = 1

# Empty when PYTHON does not run or is too old. Part of a stamp's name, so that
# another version makes another .venv.
python_id := $(shell $(PYTHON) -c 'import sys; sys.version_info >= (3, 10) and print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null)
made := $(VENV)/.made-with-$(python_id)
installed := $(VENV)/.installed
installed_tests := $(VENV)/.installed-tests
installed_engines := $(VENV)/.installed-engines
installed_bench := $(VENV)/.installed-bench
installed_docs := $(VENV)/.installed-docs
installed_gallery := $(VENV)/.installed-gallery

.PHONY: help demo docs test test-all test-engines simulate interrupts soak bench scaling gallery release-check clean
.NOTPARALLEL:

help:
	@echo 'make demo      run examples/stdlib_census.hy with two slaves on this machine'
	@echo 'make docs      make a site of the documents, in build/site'
	@echo 'make test      run the tests with $(PYTHON) (another: make test PYTHON=python3.12)'
	@echo 'make test-all  run the tests with each of Python $(VERSIONS) that is here'
	@echo 'make test-engines  run the tests on clusters, with all that can be installed for them; on Debian and its'
	@echo '               kin, first: apt-get install openmpi-bin slurm-wlm munge openssh-server systemd'
	@echo 'make simulate  run the dispatcher in every order of events, and a million by chance'
	@echo 'make interrupts  strike a master with 10,000 interrupts in each of five calls'
	@echo 'make soak      run a million tasks over two slaves, and watch their memory'
	@echo 'make bench     measure dpfw beside its peers, and write that into docs/'
	@echo 'make scaling   measure a master with a thousand slaves, and write that into docs/'
	@echo 'make gallery   make the pictures and times of examples/gallery anew (with tmux)'
	@echo 'make release-check  say whether this tree can be released, and build it into dist/'
	@echo 'make clean     remove all that these made'

demo: $(installed)
	$(VENV)/bin/hy -m examples.stdlib_census

docs: $(installed_docs)
	$(VENV)/bin/python -m sphinx -q -W --keep-going -b html -d build/doctrees docs build/site
	@echo "Open $(CURDIR)/build/site/index.html"

test: $(installed_tests)
ifeq ($(strip $(ARGS)),)
	$(VENV)/bin/hy -m tests.side_by_side
else
	$(VENV)/bin/python -m pytest $(ARGS)
endif

# Candidates are run, not only looked for: a pyenv shim is on PATH even where
# its version is not active, and fails when run.
test-all:
	@passed=; failed=; missing=; \
	for version in $(VERSIONS); do \
	  python=; \
	  for candidate in $(PYTHONS) python$$version \
	      "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/$$version.*/bin/python; do \
	    if "$$candidate" -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$$version')" \
	        </dev/null >/dev/null 2>&1; then python=$$candidate; break; fi; \
	  done; \
	  if [ -z "$$python" ]; then missing="$$missing $$version"; continue; fi; \
	  echo "== Python $$version: $$python"; \
	  if $(MAKE) --no-print-directory test PYTHON="$$python" VENV=.venv-$$version; \
	  then passed="$$passed $$version"; else failed="$$failed $$version"; fi; \
	done; \
	echo "== passed:$${passed:- none}; failed:$${failed:- none}; not found:$${missing:- none}"; \
	if [ -n "$$missing" ]; then \
	  echo "   (name others so: make test-all PYTHONS='/somewhere/bin/python3.10 ...')"; fi; \
	[ -z "$$failed" ] && [ -n "$$passed" ]

test-engines: $(installed_engines)
	DPFW_TEST_ENGINES=1 $(VENV)/bin/python -m pytest -o watchdog_seconds=900 -o faulthandler_timeout=960 tests/engines $(ARGS)

simulate: $(installed)
	$(VENV)/bin/hy -m tests.simulation

interrupts: $(installed_tests)
	DPFW_TEST_INTERRUPTS=10000 $(VENV)/bin/python -m pytest tests/dispatch/test_interrupts.hy

soak: $(installed)
	$(VENV)/bin/hy -m tests.soak

bench: $(installed_bench)
	$(VENV)/bin/hy -m bench

scaling: $(installed_bench)
	$(VENV)/bin/hy -m bench.scaling

gallery: $(installed_gallery)
	$(VENV)/bin/hy -m examples.gallery $(ARGS)

# Not the editable install: the tests from the sdist run with the tree that they come in,
# since Python looks there first.
release-check: $(installed_tests)
	$(VENV)/bin/python -m pip install --quiet 'twine>=6'
	$(VENV)/bin/python -m tests.release_check $(ARGS)

clean:
	rm -rf .venv .venv-* dist build .pytest_cache .hypothesis
	find . -name .git -prune -o -name __pycache__ -prune -exec rm -rf {} +

$(made):
	@[ -n '$(python_id)' ] || { \
	  echo "dpfw needs Python 3.10 or newer, and '$(PYTHON)' is not one that runs here." >&2; \
	  echo "Name one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	@touch $@

# Editable, so that what is edited is what runs. Again when what is installed
# may have changed.
$(installed): $(made) pyproject.toml hatch_build.py
	$(VENV)/bin/python -m pip install --quiet --editable .
	@touch $@

$(installed_tests): $(made) pyproject.toml hatch_build.py
	$(VENV)/bin/python -m pip install --quiet --editable '.[test]'
	@touch $@ $(installed)

$(installed_engines): $(made) pyproject.toml hatch_build.py
	$(VENV)/bin/python -m pip install --quiet --editable '.[test,test-engines,dask,ray,ipyparallel]'
	@touch $@ $(installed) $(installed_tests)

$(installed_bench): $(made) pyproject.toml hatch_build.py
	$(VENV)/bin/python -m pip install --quiet --editable '.[bench]'
	@touch $@ $(installed)

$(installed_docs): $(made) pyproject.toml hatch_build.py
	$(VENV)/bin/python -m pip install --quiet --editable '.[docs]'
	@touch $@ $(installed)

$(installed_gallery): $(made) pyproject.toml hatch_build.py
	$(VENV)/bin/python -m pip install --quiet --editable '.[gallery]'
	@touch $@ $(installed)
