/* The audit records of a world, held to the contract, and to what the engines say. */
#include "world.h"

#include "audit/verify.h"

void world_explain(const struct world *w, size_t from, size_t to)
{
	for (size_t j = from; j < to && j < w->audits; j++) {
		const struct audit_record *r = &w->audit[j].r;
		const bool server = w->audit[j].engine < WORLD_WORKERS;

		print_error(
			"%s%u %10lld us  %02x%02x %-24s %-28s sv %2u bv %2u %10s -> %-10s path %d -> %d  x%llu\n",
			server ? "worker" : "client", w->audit[j].engine - (server ? 0 : WORLD_WORKERS),
			(long long)(r->at.us - START_US), r->session_id[0], r->session_id[1],
			audit_event_name(r->event), reason_name(r->reason), r->state_version,
			r->binding_version, state_name(r->from), state_name(r->to), (int8_t)r->path_from,
			(int8_t)r->path_to, (unsigned long long)r->count);
	}
}

static void found(void *ctx, const struct verify_finding *f)
{
	const struct world *w = ctx;
	const size_t i = f->line;

	world_explain(w, i < 12 ? 0 : i - 12, i + 1);
	fail_msg("record %zu breaks %s: %s", i, f->rule, f->text);
}

/* What the records say is what the engines say. */
static void check_living(struct world *w, const struct verify *v)
{
	struct session_info info[64];

	for (unsigned int e = 0; e < WORLD_ENGINES; e++) {
		size_t living = w->engine[e].e ? world_view(w, e, info, 64) : 0;

		for (size_t i = 0; i < living; i++) {
			struct verify_session t;
			unsigned int active = 0;

			if (info[i].doing == DOING_CONNECTING)
				continue;
			assert_true(verify_session(v, e, info[i].id, &t));
			assert_int_equal(t.state, info[i].state);
			assert_int_equal(t.state_version, info[i].state_version);
			assert_int_equal(t.binding_version, info[i].binding_version);
			assert_int_equal(t.active, info[i].active);
			for (size_t p = 0; p < info[i].npaths; p++)
				active += info[i].path[p].use == PATH_ACTIVE;
			assert_int_equal(active, info[i].state == STATE_BIRTH ? 0 : 1);
		}
	}
}

void world_check(struct world *w)
{
	struct verify *v = verify_new(found, w);

	assert_non_null(v);
	for (size_t i = 0; i < w->audits; i++)
		verify_record(v, w->audit[i].engine, i, &w->audit[i].r);
	check_living(w, v);
	verify_end(v);
	verify_free(v);
}
