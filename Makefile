# Two commands set everything up: `make serve` and `make test`. Everything else is for developers.
PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000
DATA ?= ../shared/data
RECIPE ?= recipes/embedded.toml
# Folder of the published students that a recipe names by version and hash.
OLDER ?= artifacts
URL ?= http://127.0.0.1:8000
SERVE_VENV ?= .venv-serve
VENV ?= .venv
TEACHERS ?= $(sort $(wildcard artifacts/teacher-*/1.0.0))

export PIP_DISABLE_PIP_VERSION_CHECK = 1
# Silences the theme's notice about its successor at each build.
export NO_MKDOCS_2_WARNING = 1
# Each of many processes would compile all anew, where a machine says not to keep bytecode.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: serve demo-cascade demo-chatbot test suite test-ray check coverage format lock train loadtest bench sbom audit clean

# What OpenVINO has for other devices than a CPU: 61 of its 179 MB.
NOT_FOR_CPUS = libopenvino_intel_gpu_plugin.so libopenvino_intel_npu_plugin.so cache.json
serve: $(SERVE_VENV)/.installed
	$(SERVE_VENV)/bin/postern serve --host $(HOST) --port $(PORT)

$(SERVE_VENV)/.installed: requirements/serve.txt pyproject.toml
	$(PYTHON) -m venv $(SERVE_VENV)
	$(SERVE_VENV)/bin/pip install --quiet --no-deps --require-hashes -r requirements/serve.txt
	$(SERVE_VENV)/bin/pip install --quiet --no-deps --editable .
	rm -f $(addprefix $(SERVE_VENV)/lib/python*/site-packages/openvino/libs/,$(NOT_FOR_CPUS))
	touch $@

# Runs the shipped student with the shipped ensemble on a few texts, then starts a server to try.
demo-cascade: $(SERVE_VENV)/.installed
	$(SERVE_VENV)/bin/python examples/cascade/demo.py --host $(HOST) --port $(PORT) \
		$(addprefix --teacher ,$(TEACHERS))

# A real chat model on this machine's processor behind the proxy, and a terminal to talk to it. It
# needs what `make test` installs.
CHAT_MODEL ?= bases/qwen2.5-coder-0.5b-instruct/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf
demo-chatbot: $(VENV)/.installed $(CHAT_MODEL)
	$(VENV)/bin/python examples/chatbot/demo.py --model $(CHAT_MODEL) --host $(HOST) --port $(PORT)

bases/%.gguf: | $(VENV)/.installed
	$(VENV)/bin/python -m model_training fetch-base $(notdir $(patsubst %/,%,$(dir $@))) --to bases/

$(VENV)/.installed: requirements/test.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --no-compile --no-deps -r requirements/test.txt
	$(VENV)/bin/pip install --quiet --no-deps --editable .
	touch $@

# Four processes on two cores, because tests wait for servers and clocks half of the time. A file's
# tests stay together, and slow files come first (tests/conftest.py). Benchmarks are off: they mean
# nothing next to other work.
TEST_PROCESSES ?= 4
IN_PROCESSES = -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder
test: $(VENV)/.installed
	$(MAKE) --no-print-directory --jobs=2 check suite

# Collecting once beforehand leaves the bytecode that each process would compile at the same time.
suite: $(VENV)/.installed
	-@$(VENV)/bin/python -m pytest --collect-only >/dev/null
	$(VENV)/bin/python -m pytest $(IN_PROCESSES) -m "not ray" --benchmark-disable --durations=20

# Clusters of Ray: an environment of 750 MB and minutes of starting, for few who use it.
test-ray: $(VENV)/.installed
	$(VENV)/bin/python -m pytest -m ray tests/deploy

check: $(VENV)/.installed
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/python -m scripts.reference --check
	$(VENV)/bin/python -m mkdocs build --strict --quiet

# Share of statements that the suite runs, by room; TESTS=tests/app runs a part. No test asserts it.
TESTS ?= tests
coverage: $(VENV)/.installed
	mkdir -p runs
	$(VENV)/bin/python -m pytest $(IN_PROCESSES) --benchmark-disable \
		--cov --cov-report=json:runs/coverage.json $(TESTS)
	$(VENV)/bin/python -m scripts.rooms_covered runs/coverage.json

format: $(VENV)/.installed
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

# From rows to artifacts/<name>/<version>/; resumes a stopped run. Threads are bound to cores,
# because next to other work two threads end up on one core, which more than halves the speed.
train: export OMP_PROC_BIND = true
train: $(VENV)/.installed
	$(VENV)/bin/python -m model_training run --recipe $(RECIPE) --data $(DATA) --older $(OLDER)

# A short load test of the server at URL: Poisson arrivals; JSON and a plot under runs/.
loadtest: $(VENV)/.installed
	$(VENV)/bin/python -m loadtests run --url $(URL) --scenario chatbot --rates 5 10 20 \
		--seconds 10 --warm-up 3 --seeds 1 --output runs/loadtest.json --plot runs/loadtest.png

# Times parts of a request as ratios to a fixed computation; no test asserts a time.
bench: $(VENV)/.installed
	mkdir -p runs
	$(VENV)/bin/python -m pytest loadtests/micro --benchmark-columns=median,iqr,rounds \
		--benchmark-sort=name --benchmark-json=runs/bench.json

# Pins exact versions from pyproject.toml; needs pip-tools. Drops the local tag of a torch build.
# OpenVINO comes without the package that reports to its makers; it does without.
LOCK = pip-compile --quiet --strip-extras --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-header
lock:
	$(LOCK) --generate-hashes --extra openvino --unsafe-package openvino-telemetry \
		--output-file requirements/serve.txt pyproject.toml
	sed -i '/^# WARNING: The following packages were not pinned/,$$d' requirements/serve.txt
	$(LOCK) --no-annotate --extra train --extra test --extra docs -c requirements/serve.txt \
		--output-file requirements/test.txt pyproject.toml
	sed -i 's/^\(torch==[0-9.]*\)+.*/\1/' requirements/test.txt

# The packages that serving installs, as CycloneDX: names, versions, hashes.
sbom: $(VENV)/.installed
	mkdir -p runs
	$(VENV)/bin/cyclonedx-py requirements requirements/serve.txt --pyproject pyproject.toml \
		--output-reproducible --of JSON -o runs/sbom.json

# Known vulnerabilities of the packages that serving installs; needs network access to the database.
audit: $(VENV)/.installed
	$(VENV)/bin/pip-audit --require-hashes --disable-pip -r requirements/serve.txt

clean:
	rm -rf $(VENV) $(SERVE_VENV) runs
