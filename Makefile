# `make run` and `make test` do all the set-up they need; a set-up that was cut off is taken up again.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 7860
HOME_DIR ?= .
# A stamp carries the hash of what it installed: a changed lock installs again, an unchanged one costs nothing.
RUN_STAMP := $(VENV)/run-$(shell cksum < requirements.txt | cut -d' ' -f1).ok
DEV_STAMP := $(VENV)/dev-$(shell cat requirements.txt requirements-dev.txt | cksum | cut -d' ' -f1).ok

.PHONY: run test fast slow faults attacks check lock setup setup-dev
.DELETE_ON_ERROR:

run: $(RUN_STAMP)
	@$(BIN)/python app.py --port $(PORT) --home "$(HOME_DIR)"

test: check slow

check: $(DEV_STAMP)
	@scripts/check

fast: $(DEV_STAMP)
	@$(BIN)/python -m pytest -q -n 3

# Two at a time, a file of tests each.
slow: $(DEV_STAMP)
	@scripts/chromium
	@$(BIN)/python -m pytest -q -m slow -n 2 --dist loadfile --durations=15
	@$(BIN)/python -m pytest -q -m browser -n 2 --dist loadfile --no-loadscope-reorder --durations=15
	@$(BIN)/python scripts/faults -q -m 'faults and short' --durations=15

# Every fault, and the tables of docs/reliability.md.
faults: $(DEV_STAMP)
	@scripts/chromium
	@$(BIN)/python scripts/faults

# Every attack in full, and the tables of docs/attacks.md.
attacks: $(DEV_STAMP)
	@$(BIN)/python scripts/attacks

setup: $(RUN_STAMP)
setup-dev: $(DEV_STAMP)

lock:
	@scripts/lock

$(RUN_STAMP): requirements.txt
	@scripts/setup "$(PYTHON)" requirements.txt
	@touch $@

$(DEV_STAMP): $(RUN_STAMP) requirements-dev.txt
	@scripts/setup "$(PYTHON)" requirements-dev.txt
	@touch $@
