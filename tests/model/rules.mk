# The model of the jump protocol, for spin, and what it is generated from: the daemon's own rows.
$(OUT)/tests/model-rows: $(call obj,tests/model/rows.c src/session/fsm.c)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(LINK) -o $@ $^

run_model = tests/model/run.sh $(OUT)/tests/model-rows

.PHONY: check-model model-mutations
check-model: $(OUT)/tests/model-rows ## the model of the jump protocol alone, searched with spin
	@$(run_model)

model-mutations: $(OUT)/tests/model-rows ## guards of the model switched off one at a time: spin must find each
	@tests/model/run.sh -m $(OUT)/tests/model-rows

tests: $(OUT)/tests/model-rows
