# Everything a newcomer needs: `make demo` and `make test` set up what they use. `make help` lists the rest.
.DEFAULT_GOAL := help
SHELL := bash

RUN := scripts/run.sh
EXTRAS ?= demo
JOBS ?= 2
DEVELOP := demo,training,test,lint

# a demo option where its value is given; topics only make sense with a bag
option = $(if $($(2)),$(1) '$($(2))')
DEMO_OPTIONS = $(call option,--frames,FRAMES) $(call option,--seconds,SECONDS) $(call option,--downsample,DOWNSAMPLE) \
	$(call option,--out,OUT) $(call option,--bag,BAG) \
	$(if $(BAG),$(call option,--depth,DEPTH) $(call option,--color,COLOR))

.PHONY: help setup demo test test-all fuzz soak audit lint format bench clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | while IFS=$$'\t' read -r name text; do printf '  make %-9s %s\n' "$$name" "$$text"; done
	@printf '%s\n' '' 'Everywhere: ROS=jazzy|kilted (pip wheels), ROS=installed (the sourced one); PYTHON=python3.12; TORCH_INDEX=url.' \
		'Demo:       FRAMES=folder | BAG=file DEPTH=/topic COLOR=/topic; SECONDS=20 DOWNSAMPLE=4 OUT=folder.'

setup: ## make the environment (EXTRAS=demo,training,test,lint)
	@scripts/setup.sh '$(EXTRAS)'

demo: ## see a coarse depth camera become sharp: simulated, or FRAMES=folder, or BAG=file
	@scripts/setup.sh demo
	@$(RUN) python -m pagnet_ros.demo $(DEMO_OPTIONS)

test: lint ## the linters and every fast test, JOBS=2 at a time, with the ten slowest (ARGS='-k pairing' for some)
	$(RUN) python -m pytest -m 'not slow' -n $(JOBS) --dist loadfile --durations=10 $(ARGS)

test-all: lint ## the linters and every test, the slow ones too
	$(RUN) python -m pytest --durations=10 $(ARGS)

fuzz: ## hostile messages, bags, folders and texts, TIMES=100 times as many as `make test` tries
	@scripts/setup.sh '$(DEVELOP)'
	PAGNET_FUZZ=$(or $(TIMES),100) $(RUN) python -m pytest tests/fuzz --timeout=0 $(ARGS)

soak: ## MINUTES=30 of random faults, and whether anything of the node grows (docs/reliability.md)
	@scripts/setup.sh '$(DEVELOP)'
	$(RUN) python -m benchmarks.faults.soak --minutes $(or $(MINUTES),30) $(ARGS)

audit: ## do the packages fit each other, and which differ from requirements.lock
	@scripts/setup.sh '$(DEVELOP)'
	$(RUN) python scripts/lock.py $(ARGS)

lint: ## ruff and mypy, as `make test` runs them
	@scripts/setup.sh '$(DEVELOP)'
	$(RUN) ruff check
	$(RUN) ruff format --check
	$(RUN) scripts/check_types.sh

format: ## let ruff put the code in order
	@scripts/setup.sh '$(DEVELOP)'
	$(RUN) ruff check --fix
	$(RUN) ruff format

bench: ## speed here: the engine, the node beside a bare relay, age of the output at any input rate
	@scripts/setup.sh '$(DEVELOP)'
	$(RUN) python -m benchmarks.engine
	$(RUN) python -m benchmarks.node_overhead
	$(RUN) python -m benchmarks.age
	$(RUN) python -m benchmarks.levels

clean: ## remove the environments and everything that was built
	rm -rf .venv .venv-kilted .venv-installed build install log dist *.egg-info out
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
