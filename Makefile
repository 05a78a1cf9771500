# Everything runs from a checkout: make lint test. `make` alone lists what there is.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEV := $(VENV)/.dev
INSTALLER ?= uv
COMPILE := $(if $(PYTHONDONTWRITEBYTECODE),--compile-bytecode)
$(if $(filter uv pip,$(INSTALLER)),,$(error INSTALLER=$(INSTALLER): expected uv or pip))
PIP := pip install --quiet --disable-pip-version-check --progress-bar off
UV = PATH="$$PATH:$(CURDIR)/$(BIN)" uv
HAVE_UV = { command -v uv >/dev/null || test -x $(BIN)/uv || $(BIN)/$(PIP) uv; }
LOCK = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
    --custom-compile-command 'make lock' pyproject.toml
EXTRAS := .venv-extras
PARALLEL := -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help setup lock demo train test test-slow test-extras lint format bench tensorboard clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# uv checks the hashes of the tested versions, and comes into .venv where there is none. pip takes hashes only where
# everything has one, which a folder has not: make INSTALLER=pip … gets the same versions unchecked.
# uv leaves it to Python to compile what is imported, unless Python may not keep that.
define install
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed: make PYTHON=python3.12 …")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	if [ '$(INSTALLER)' = pip ]; then \
	    $(call versions,constraints.txt) && $(BIN)/$(PIP) -c $(VENV)/constraints.txt -e '$(1)'; \
	else \
	    $(HAVE_UV) && $(UV) pip install --quiet $(COMPILE) --python $(BIN)/python -c constraints.txt -e '$(1)'; \
	fi
endef
versions = sed -e 's/ *\\$$//' -e '/^ *--hash/d' $(1) >$(VENV)/$(1)

setup: $(READY)  ## create .venv with what the commands need, in the tested versions of constraints.txt

$(READY): pyproject.toml constraints.txt
	$(call install,.)
	@touch $@

$(DEV): pyproject.toml constraints.txt
	$(call install,.[dev])
	@touch $(READY) $@

lock: $(DEV)  ## write constraints*.txt anew, with the versions that stand there where they still fit
	$(HAVE_UV)
	$(LOCK) --extra dev -o constraints.txt
	$(LOCK) --extra ray --extra loggers --extra torchcodec --extra transformers -o constraints-extras.txt

demo: $(READY)  ## videos to a trained, tested temporal model, with plots
	$(BIN)/python -m realfake.train approach=temporal $(ARGS)

train: $(READY)  ## make train ARGS="approach=multi_task seed=1"
	$(BIN)/python -m realfake.train $(ARGS)

test: $(DEV)  ## the tests, with coverage
	rm -f .coverage .coverage.*
	COVERAGE_CORE=$$($(BIN)/python -c 'import sys; print("sysmon" if sys.version_info >= (3, 12) else "ctrace")') \
	    $(BIN)/python -m coverage run -m pytest -m 'not slow' $(PARALLEL) $(ARGS)
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report --fail-under=90

test-slow: $(DEV)  ## full-size networks, notebooks, killed sweeps, long simulations
	$(BIN)/python -m pytest -m slow $(PARALLEL) $(ARGS)

test-extras: $(EXTRAS)/.ready  ## Ray, Weights & Biases, MLflow, torchcodec, transformers, MediaPipe, in an environment on top of .venv
	LD_LIBRARY_PATH=$(CURDIR)/$(EXTRAS)/ffmpeg$${LD_LIBRARY_PATH:+:$$LD_LIBRARY_PATH} $(EXTRAS)/bin/python -m pytest \
	    tests/test_sweeps.py tests/experiments/test_loggers.py tests/data/test_decoders.py \
	    tests/streams/test_landmarker_reference.py -k 'ray or loggers or decoders or reference' $(ARGS)
	# In a process of its own: mediapipe's may wait for ever when it is let go.
	$(EXTRAS)/bin/python -m pytest tests/models/test_video_transformers.py tests/models/test_model_backbones.py \
	    tests/test_experiments.py -k 'video_transformers or videomae or vjepa2 or marlin' $(ARGS)

# Their dependencies are at odds with the tested versions, which stay as they are; torchmetrics imports transformers where it
# is there, a second of each command. torchcodec looks for FFmpeg's libraries
# under their plain names; those that PyAV brings bear others. mediapipe comes alone, since it asks for another OpenCV.
$(EXTRAS)/.ready: $(DEV) constraints-extras.txt
	rm -rf $(EXTRAS)
	$(BIN)/python -m venv $(EXTRAS)
	$(EXTRAS)/bin/python -c 'import pathlib, sysconfig; below = pathlib.Path("$(VENV)").resolve(); \
	    own = pathlib.Path(sysconfig.get_path("purelib")); at = own.relative_to(pathlib.Path("$(EXTRAS)").resolve()); \
	    (own / "below.pth").write_text(f"{below / at}\n")'
	$(call versions,constraints-extras.txt)
	$(EXTRAS)/bin/$(PIP) -c $(VENV)/constraints-extras.txt -e '.[ray,loggers,torchcodec,transformers]'
	$(EXTRAS)/bin/$(PIP) --no-deps mediapipe==1.2.3
	$(EXTRAS)/bin/python -c 'import av, pathlib, re; to = pathlib.Path("$(EXTRAS)/ffmpeg"); to.mkdir(exist_ok=True); \
	    [(to / name).symlink_to(file) for file in (pathlib.Path(av.__file__).parents[1] / "av.libs").iterdir() \
	        for name in {file.name, re.sub("^(lib[as][vw][a-z]+)-[0-9a-f]+(.so.[0-9]+).*", r"\1\2", file.name)}]'
	@touch $@

lint: $(DEV)  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy realfake benchmarks

format: $(DEV)  ## mend what ruff can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(DEV)  ## how fast; JSON in outputs/benchmarks; 10 minutes on two cores
	$(BIN)/python -m benchmarks.preparation --out outputs/benchmarks/preparation.json
	$(BIN)/python -m benchmarks.decoders --out outputs/benchmarks/decoders.json
	$(BIN)/python -m benchmarks.store --clips 60000 --out outputs/benchmarks/store.json
	$(BIN)/python -m benchmarks.throughput --out outputs/benchmarks/throughput.json
	$(BIN)/python -m benchmarks.backbones --out outputs/benchmarks/backbones.json
	$(BIN)/python -m benchmarks.commands --out outputs/benchmarks/commands.json
	$(BIN)/python -m benchmarks.prediction --out outputs/benchmarks/prediction.json
	$(BIN)/python -m benchmarks.scale --clips 60000 --out outputs/benchmarks/scale.json
	$(BIN)/python -m benchmarks.growth --out outputs/benchmarks/growth.json
	$(BIN)/python -m benchmarks.equivalence --seeds 3 --out outputs/benchmarks/equivalence.json \
	    data.subjects=8 data.seconds=1.5 data.video_size=112 data.size=96 trainer.max_epochs=8
	$(BIN)/python -m benchmarks.table

DOCS := .venv-docs
.PHONY: docs

# README.md is the site's first page; options are the files of conf/ as they stand. Roles of docstrings are taken away.
docs: $(DOCS)/.ready  ## the documentation as a site, build/site/index.html
	rm -rf build/docs build/site
	mkdir -p build
	cp -r docs build/docs
	cp README.md build/docs/index.md
	cp CHANGELOG.md CONTRIBUTING.md CITATION.cff build/docs
	sed -i -E 's#\]\((docs/|\.\./)#](#g; s#\[notebooks/\]\(notebooks\)#notebooks/#; s#\(README\.md#(index.md#g' build/docs/*.md
	{ printf '# Options\n\nEvery option of every group, with its keys, values and comments.\n'; \
	    for file in conf/*.yaml $$(find conf -mindepth 2 -name '[a-z]*.yaml' -not -path 'conf/hydra/*' | LC_ALL=C sort); do \
	        printf '\n## %s\n\n```yaml\n' "$${file#conf/}"; cat $$file; printf '```\n'; done; } > build/docs/options.md
	$(DOCS)/bin/zensical build --clean --strict
	sed -i -E 's#:[a-z]+:(<code>)~?#\1#g' build/site/reference.html

$(DOCS)/.ready: pyproject.toml
	$(PYTHON) -m venv $(DOCS)
	$(PYTHON) -c 'import tomllib; \
	    print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["docs"], sep="\n")' \
	    | $(DOCS)/bin/pip install --quiet --disable-pip-version-check --progress-bar off -r /dev/stdin
	@touch $@

tensorboard: $(READY)  ## look at all runs
	$(BIN)/tensorboard --logdir .

clean:  ## remove caches and builds; data, outputs and the environment stay
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .coverage .coverage.* htmlcov
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
