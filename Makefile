# Two commands do all: `make run` and `make test`.
PYTHON ?= python3
RUN_VENV := .venv-run
APP_VENV := .venv-app
DEV_VENV := .venv-dev
SCAN ?=
RUN_OPTIONS ?=
OUT ?= findings

.PHONY: run app test lint check clean

run: $(RUN_VENV)/.ready  ## open the web page; RUN_OPTIONS="--history --port 8001"; or answer SCAN=path…
ifeq ($(strip $(SCAN)),)
	@$(RUN_VENV)/bin/tumorlens serve --open --log-format text --set log_level=warning $(RUN_OPTIONS)
else
	@# Exit code 1 says that an input was not answered, which the table has said already.
	@$(RUN_VENV)/bin/tumorlens predict $(SCAN) --overlay "$(OUT)" || [ $$? -eq 1 ]
endif

app: $(APP_VENV)/.ready  ## open the Streamlit app; APP_OPTIONS="--port 8502 --no-browser"
	@$(APP_VENV)/bin/tumorlens app $(APP_OPTIONS)

test: lint check  ## everything: lint, types, import rules, tests

lint: $(DEV_VENV)/.ready
	$(DEV_VENV)/bin/ruff check .
	$(DEV_VENV)/bin/ruff format --check .
	$(DEV_VENV)/bin/mypy
	$(DEV_VENV)/bin/lint-imports

# A process a core, each computing on one: tests of one file share what they set up.
check: $(DEV_VENV)/.ready
	OMP_NUM_THREADS=1 $(DEV_VENV)/bin/pytest --numprocesses auto --dist loadfile

clean:
	rm -rf $(RUN_VENV) $(APP_VENV) $(DEV_VENV)

$(RUN_VENV)/.ready: pyproject.toml
	$(PYTHON) -m venv $(RUN_VENV)
	$(RUN_VENV)/bin/pip install --quiet --editable ".[nifti,serve]"
	@touch $@

$(APP_VENV)/.ready: pyproject.toml
	$(PYTHON) -m venv $(APP_VENV)
	$(APP_VENV)/bin/pip install --quiet --editable ".[app,data]"
	@touch $@

$(DEV_VENV)/.ready: pyproject.toml
	$(PYTHON) -m venv $(DEV_VENV)
	$(DEV_VENV)/bin/pip install --quiet "torch==2.13.0"
	$(DEV_VENV)/bin/pip install --quiet --editable ".[nifti,train,dev]"
	@touch $@
