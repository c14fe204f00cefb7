/* The invariants of DESIGN section 6, written down a second time, for the audit records of a world. */
#include "world.h"

#define R(name) (UINT64_C(1) << REASON_##name)
#define TERMINAL                                                                          \
	(R(SESSION_LIFETIME_EXCEEDED) | R(TRANSPORT_TTL_EXCEEDED) | R(SECURITY_FAILURE) | \
	 R(OPERATOR_TERMINATED) | R(PEER_CLOSED) | R(PEER_REMOVED) | R(SUPERSEDED) | R(OWNERSHIP_LOST))

/* DESIGN section 6 once more, from state to state. */
static uint64_t allowed(enum state from, enum state to)
{
	if (from == STATE_TERMINATED)
		return 0;
	if (to == STATE_TERMINATED)
		return TERMINAL | (from == STATE_BIRTH ? R(HANDSHAKE_TIMEOUT) : 0);
	if (from == STATE_BIRTH && to == STATE_ATTACHED)
		return R(ATTACHED_TO_TRANSPORT);
	if (from == STATE_ATTACHED && to == STATE_VOLATILE)
		return R(HEARTBEAT_TIMEOUT) | R(LOSS_THRESHOLD_EXCEEDED) | R(CONSECUTIVE_DROP_EXCEEDED) |
		       R(LATENCY_THRESHOLD_EXCEEDED) | R(TRANSPORT_DEAD) | R(ADDRESS_CHANGED) |
		       R(PEER_REPORTED) | R(POLICY_FORCED);
	if (from == STATE_VOLATILE && to == STATE_ATTACHED)
		return R(HEALTH_RECOVERED);
	if (from == STATE_VOLATILE && to == STATE_DEGRADED)
		return R(VOLATILE_PERSISTED) | R(SWITCH_RATE_LIMITED) | R(NO_CANDIDATE_TRANSPORTS);
	if ((from == STATE_VOLATILE || from == STATE_DEGRADED) && to == STATE_RECOVERING)
		return R(LOSS_RECOVERY) | R(DEAD_TRANSPORT_RECOVERY) | R(POLICY_FORCED_RECOVERY) |
		       R(HEALTH_RECOVERED);
	if (from == STATE_RECOVERING && to == STATE_ATTACHED)
		return R(REATTACH_SUCCESS);
	if (from == STATE_RECOVERING && to == STATE_DEGRADED)
		return R(REATTACH_VALIDATION_FAILED) | R(NO_CANDIDATE_TRANSPORTS) | R(POLICY_DENIED) |
		       R(SWITCH_RATE_LIMITED) | R(RECOVERY_WINDOW_EXPIRED);
	return 0;
}

/* A session as its records tell it, at one end. */
struct told {
	unsigned int engine;
	uint8_t id[16];
	enum state state;
	bool ended;
	uint32_t state_version, binding_version;
	uint8_t active;
	struct jv_time left_attached, since;
	struct jv_time moved[256]; /* switches and rebindings */
	size_t moves;
};

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

#define HOLD(question)                                                                \
	do {                                                                          \
		if (!(question)) {                                                    \
			world_explain(w, i < 12 ? 0 : i - 12, i + 1);                 \
			fail_msg("record %zu breaks an invariant: %s", i, #question); \
		}                                                                     \
	} while (0)

static void check_state(const struct world *w, struct told *t, size_t i)
{
	const struct audit_record *r = &w->audit[i].r;

	HOLD(r->from == t->state);
	HOLD(allowed(r->from, r->to) >> r->reason & 1); /* I8 */
	HOLD(r->state_version == t->state_version + 1); /* I7 */
	if (t->state == STATE_RECOVERING)               /* I5 */
		HOLD(r->at.us - t->since.us <= (w->recovery_window_ms + 2) * 1000ll);
	if (!time_is_never(t->left_attached)) /* I6 */
		HOLD(r->at.us - t->left_attached.us <= (policy_defaults.transport_lost_ttl_ms + 2) * 1000ll);
	if (r->from == STATE_ATTACHED)
		t->left_attached = r->at;
	if (r->to == STATE_ATTACHED)
		t->left_attached = TIME_NEVER;
	t->state_version++;
	t->state = r->to;
	t->since = r->at;
	HOLD(r->binding_version == t->binding_version);
}

static void check_moves(const struct world *w, struct told *t, size_t i)
{
	const struct audit_record *r = &w->audit[i].r;
	size_t n = 0;

	assert_true(t->moves < 256);
	t->moved[t->moves++] = r->at;
	for (size_t j = 0; j < t->moves; j++)
		n += time_diff_us(r->at, t->moved[j]) <= 60000000;
	HOLD(n <= w->max_switches); /* I4 */
}

static void check_record(const struct world *w, struct told *t, size_t i)
{
	const struct audit_record *r = &w->audit[i].r;

	HOLD(!t->ended); /* I2 */
	if (r->event == AUDIT_SESSION_STATE_CHANGE) {
		check_state(w, t, i);
		return;
	}
	HOLD(r->state_version == t->state_version);
	HOLD(r->to == t->state);
	if (r->event == AUDIT_TRANSPORT_SWITCH) {
		HOLD(r->path_from == t->active);                    /* I1 */
		HOLD(r->binding_version == t->binding_version + 1); /* I7 */
		HOLD(t->state == STATE_RECOVERING);
		t->active = r->path_to;
		t->binding_version++;
	}
	HOLD(r->binding_version == t->binding_version);
	if (r->event == AUDIT_TRANSPORT_SWITCH || r->event == AUDIT_TRANSPORT_REBOUND)
		check_moves(w, t, i);
	if (r->event == AUDIT_TRANSPORT_ATTACHED) {
		HOLD(t->active == AUDIT_NO_PATH && t->state == STATE_ATTACHED);
		t->active = r->path_to;
	}
	if (r->event == AUDIT_SESSION_TERMINATED) {
		HOLD(t->state == STATE_TERMINATED);
		t->ended = true;
	}
}

static struct told *find_told(struct told *told, size_t n, unsigned int engine, const uint8_t id[16])
{
	for (size_t i = 0; i < n; i++)
		if (told[i].engine == engine && memcmp(told[i].id, id, 16) == 0)
			return &told[i];
	return NULL;
}

static void check_living(struct world *w, struct told *told, size_t n)
{
	struct session_info info[64];

	for (unsigned int e = 0; e < WORLD_ENGINES; e++) {
		size_t living = w->engine[e].e ? world_view(w, e, info, 64) : 0;

		for (size_t i = 0; i < living; i++) {
			struct told *t = find_told(told, n, e, info[i].id);
			unsigned int active = 0;

			if (info[i].doing == DOING_CONNECTING)
				continue;
			assert_non_null(t);
			assert_int_equal(t->state, info[i].state);
			assert_int_equal(t->state_version, info[i].state_version);
			assert_int_equal(t->binding_version, info[i].binding_version);
			assert_int_equal(t->active, info[i].active);
			for (size_t p = 0; p < info[i].npaths; p++)
				active += info[i].path[p].use == PATH_ACTIVE;
			assert_int_equal(active, info[i].state == STATE_BIRTH ? 0 : 1);
		}
	}
}

void world_check(struct world *w)
{
	struct told *told = calloc(w->audits + 1, sizeof(*told));
	size_t n = 0;

	for (size_t i = 0; i < w->audits; i++) {
		const struct audit_record *r = &w->audit[i].r;
		struct told *t;

		HOLD(reason_name(r->reason) && r->event < AUDIT_EVENT_COUNT && r->count >= 1);
		if (!r->has_session)
			continue;
		t = find_told(told, n, w->audit[i].engine, r->session_id);
		if (r->event == AUDIT_SESSION_CREATED) {
			HOLD(!t);
			t = &told[n++];
			t->engine = w->audit[i].engine;
			memcpy(t->id, r->session_id, 16);
			t->active = AUDIT_NO_PATH;
			t->left_attached = TIME_NEVER;
		}
		HOLD(t);
		/* Summaries of refusals tell of the past, and floods of them may outlive their session. */
		if (r->event == AUDIT_TRANSPORT_SWITCH_DENIED || r->event == AUDIT_SECURITY_REPLAY_DETECTED ||
		    r->event == AUDIT_SECURITY_VALIDATION_FAILED)
			continue;
		check_record(w, t, i);
	}
	check_living(w, told, n);
	free(told);
}
