# What the Makefiles of the functions and of the layers share; `sam build` runs their targets, in a copy of their folder.
#
# PYTHON         runs pip; its setuptools builds the one dependency that is published as source only
# LAMBDA_PYTHON  compiles for the Lambda runtime, so it has to be of the runtime's own version

ROOT := $(abspath $(dir $(lastword $(MAKEFILE_LIST)))..)/
RUNTIME := 3.13
PYTHON ?= $(or $(wildcard $(ROOT).venv/bin/python),python3)
LAMBDA_PYTHON ?= python$(RUNTIME)

# Wheels for Lambda's own platform, by hash; requirements.txt is complete, so nothing is resolved here.
install = $(PYTHON) -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --require-hashes \
	--only-binary :all: --no-binary python-bitcoinrpc --no-build-isolation --root-user-action ignore \
	--python-version $(RUNTIME) --implementation cp --platform manylinux_2_28_aarch64 --platform manylinux2014_aarch64 \
	--requirement $(1) --target $(2)

trim = find $(1) -depth -type d \( -name __pycache__ -o -name tests -o -name bin \) -exec rm -r {} +

# Lambda's file system is read-only: what is not compiled here is compiled again at every cold start. The second argument is
# where the files will be, so that tracebacks say so and equal sources give equal artifacts, uploaded once.
compile = if [ "$$($(LAMBDA_PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>&1)" = $(RUNTIME) ]; \
	then $(LAMBDA_PYTHON) -m compileall -q -j 0 --invalidation-mode unchecked-hash -s $(1) -p $(2) $(1); \
	else echo "Not compiled, cold starts will be slower: no Python $(RUNTIME) found, name one with LAMBDA_PYTHON."; fi
