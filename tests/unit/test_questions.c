/*
 * What the control loop asks of the workers, and what it makes of their answers. The workers' engines are real, and full of
 * sessions; the control socket is the test's. What a question costs is counted in rows, copies of sessions.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/ctl.h"
#include "prng.h"
#include "session/end.h"
#include "session/engine.h"
#include "session/session.h"
#include "session/state.h"
#include "worker/devices.h"
#include "worker/gather.h"
#include "worker/questions.h"
#include "worker/worker.h"

enum { WORKERS = 3, QUEUE = 64, MANY = 10000 };

static struct world {
	struct daemon d;
	struct worker workers[WORKERS];
	struct config config;
	struct config_peer peers[4];
	struct prng rng;
	struct message queue[QUEUE]; /* questions on their way */
	unsigned int asked;
	size_t rows; /* copied by engines */
	struct jv_time now;
	/* the client of the control socket */
	bool gone;
	char said[256];
	enum reason why;
	unsigned int answers, pages;
	size_t found;
	struct session_info row[2];
	uint64_t by_state[STATE_COUNT], session_bytes;
	char offloads[256];
	bool waits; /* for the next page */
	void (*listed)(const struct session_info *s);
} world;

static struct ctl_request *const request = (void *)&world;

/* --- workers --- */

void __real_info_session(struct session *s, struct session_info *out, struct jv_time now);
void __wrap_info_session(struct session *s, struct session_info *out, struct jv_time now);
void __wrap_info_session(struct session *s, struct session_info *out, struct jv_time now)
{
	world.rows++;
	__real_info_session(s, out, now);
}

bool worker_post(struct worker *w, const struct message *m)
{
	assert_true(world.asked < QUEUE);
	world.queue[world.asked] = *m;
	assert_ptr_equal(w, &world.workers[m->worker]);
	world.asked++;
	w->asked++;
	return true;
}

static void carry_out(struct engine *e, struct message *m)
{
	switch (m->kind) {
	case MESSAGE_COUNT:
		m->report->has_own = engine_own(e, &m->report->own, world.now);
		for (unsigned int i = 0; i < STATE_COUNT; i++)
			m->report->by_state[i] = engine_states(e)[i];
		m->report->session_bytes = engine_session_bytes(e);
		break;
	case MESSAGE_WALK:
		m->walk->n = m->walk->last ? 0 : engine_walk(e, &m->walk->at, m->walk->wanted, m->walk->rows, m->walk->max,
							      world.now);
		if (m->walk->last)
			walk_stop(&m->walk->at);
		break;
	case MESSAGE_TERMINATE:
		m->reason = engine_terminate(e, m->id, world.now) ? REASON_NONE : REASON_UNKNOWN_SESSION;
		break;
	case MESSAGE_JUMP:
		m->reason = REASON_COOLDOWN_ACTIVE;
		break;
	default:
		m->reason = REASON_NONE;
	}
}

/* One of them, any, has done what it was asked. False: nothing is asked. */
static bool work(void)
{
	const unsigned int i = world.asked ? (unsigned int)(prng_next(&world.rng) % world.asked) : 0;
	struct message m = world.queue[i];

	if (world.asked == 0)
		return false;
	world.queue[i] = world.queue[--world.asked];
	world.workers[m.worker].asked--;
	carry_out(world.workers[m.worker].engine, &m);
	questions_answered(&world.d, &m);
	return true;
}

uint64_t __wrap_audit_lost(const struct audit *a);
uint64_t __wrap_audit_lost(const struct audit *a)
{
	return 0;
}

const char *tunnel_trouble(const struct tunnel *t)
{
	return "";
}

int devices_networks(struct daemon *d, const struct config *c)
{
	return 0;
}

void devices_homes(struct daemon *d, const struct config *c)
{
}

/* --- the control socket --- */

void ctl_answer_done(struct ctl_request *req, const char *note)
{
	assert_ptr_equal(req, request);
	world.answers++;
	world.why = REASON_NONE;
	snprintf(world.said, sizeof(world.said), "%s", note);
}

void ctl_fail(struct ctl_request *req, enum reason reason, uint32_t retry_after_ms, const char *fmt, ...)
{
	va_list ap;

	assert_ptr_equal(req, request);
	world.answers++;
	world.why = reason;
	va_start(ap, fmt);
	vsnprintf(world.said, sizeof(world.said), fmt, ap);
	va_end(ap);
}

void ctl_answer_status(struct ctl_request *req, const struct ctl_status *status, const struct counters *sum,
		       const uint64_t by_state[STATE_COUNT], const struct session_info *own)
{
	world.answers++;
	assert_null(own);
	memcpy(world.by_state, by_state, sizeof(world.by_state));
	snprintf(world.offloads, sizeof(world.offloads), "%s", status->offloads);
	world.session_bytes = status->session_bytes;
}

bool ctl_is_gone(const struct ctl_request *req)
{
	return world.gone;
}

void ctl_answer_page(struct ctl_request *req, const struct session_info *sessions, size_t n, bool last)
{
	world.pages++;
	for (size_t i = 0; i < n && world.listed && !world.gone; i++)
		world.listed(&sessions[i]);
	world.answers += last;
	world.waits = !last;
}

void ctl_answer_found(struct ctl_request *req, const struct session_info *sessions, size_t n)
{
	world.answers++;
	world.found = n;
	assert_true(n <= 2);
	memcpy(world.row, sessions, n * sizeof(*sessions));
}

int metrics_start(struct metrics **out, uv_loop_t *loop, const struct endpoint *listen,
		  metrics_collect collect, void *ctx)
{
	return 0;
}

void metrics_stop(struct metrics *m)
{
}

void metrics_answer(struct metrics_request *req, const struct metrics_data *data)
{
	world.answers++;
	memcpy(world.by_state, data->sessions, sizeof(world.by_state));
}

/* --- engines --- */

static void io_audit(void *ctx, const struct audit_record *r)
{
}

static void io_random(void *ctx, void *out, size_t len)
{
	prng_fill(&world.rng, out, len);
}

static void io_send(void *ctx, const struct route *to, const uint8_t *datagram, size_t len, unsigned int how)
{
}

static int set_up(void **state)
{
	static const char *const names[] = { "alice", "many", "passing", "lasting" };
	struct engine_setup setup = {
		.io = { .audit = io_audit, .random = io_random, .send = io_send },
		.workers = WORKERS,
		.key_cache = 16,
	};

	memset(&world, 0, sizeof(world));
	assert_int_equal(crypto_init(), 0);
	world.rng.state = 7;
	world.now.us = 1000000000;
	world.config.role = ROLE_SERVER;
	world.config.peers = world.peers;
	world.config.npeers = sizeof(names) / sizeof(*names);
	for (size_t i = 0; i < world.config.npeers; i++)
		snprintf(world.peers[i].name, sizeof(world.peers[i].name), "%s", names[i]);
	world.d.config = &world.config;
	setup.config = &world.config;
	world.d.workers = world.workers;
	world.d.nworkers = WORKERS;
	list_init(&world.d.gathers);
	for (setup.worker = 0; setup.worker < WORKERS; setup.worker++) {
		world.workers[setup.worker].engine = engine_new(&setup, world.now);
		assert_non_null(world.workers[setup.worker].engine);
		for (size_t i = 0; i < world.config.npeers; i++) /* they have called */
			world.workers[setup.worker].engine->callers[i] = calloc(1, sizeof(struct caller));
	}
	return 0;
}

/* Nothing is asked any more, and no walk is left in an engine. */
static void nothing_is_left(void)
{
	assert_int_equal(world.asked, 0);
	assert_true(list_is_empty(&world.d.gathers));
	for (unsigned int i = 0; i < WORKERS; i++)
		assert_true(list_is_empty(&world.workers[i].engine->walks));
}

static int take_down(void **state)
{
	nothing_is_left();
	for (unsigned int i = 0; i < WORKERS; i++)
		engine_free(world.workers[i].engine);
	return 0;
}

/* A session that carries; only what it is to be seen by matters. */
static struct session *born(unsigned int worker, const char *peer)
{
	struct engine *e = world.workers[worker].engine;
	struct session *s = session_new(e, &policy_defaults, 2, world.now);

	assert_non_null(s);
	prng_fill(&world.rng, s->id, sizeof(s->id));
	for (s->peer = 0; strcmp(world.config.peers[s->peer].name, peer) != 0; s->peer++)
		assert_true(s->peer + 1 < world.config.npeers);
	assert_true(state_event(s, EVENT_ATTACH_OK, REASON_ATTACHED_TO_TRANSPORT, world.now));
	return s;
}

static void ends(struct session *s)
{
	s->closing = true;
	end_session(s, REASON_OPERATOR_TERMINATED, world.now);
}

static void fill(unsigned int worker, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		born(worker, "many");
}

/* --- numbers --- */

/* Rows that are copied for status and for a scrape. */
static size_t rows_for_numbers(uint64_t sessions)
{
	world.rows = world.answers = 0;
	questions_ops.status(&world.d, request);
	while (work())
		;
	assert_int_equal(world.by_state[STATE_ATTACHED], sessions);
	assert_true(world.session_bytes > 1000 * sessions);
	questions_scraped(&world.d, NULL);
	while (work())
		;
	assert_int_equal(world.by_state[STATE_ATTACHED], sessions);
	assert_int_equal(world.answers, 2);
	return world.rows;
}

static void test_numbers_cost_the_same(void **state)
{
	struct session *s = born(1, "alice");

	assert_int_equal(rows_for_numbers(1), 0);
	fill(0, MANY);
	assert_int_equal(rows_for_numbers(MANY + 1), 0);
	ends(s);
	assert_int_equal(rows_for_numbers(MANY), 0);
}

/* --- what the kernel refuses --- */

static bool status_says(const char *text)
{
	questions_ops.status(&world.d, request);
	while (work())
		;
	return strstr(world.offloads, text) != NULL;
}

/* One worker's device that refused a super-packet is told, whichever worker it is. */
static void test_refusal_is_told(void **state)
{
	world.d.tun_offload = (struct tun_offload){ .header = true, .checksum = true, .tso = true };
	assert_true(status_says("tunnel: TSO checksum;"));
	assert_false(status_says("refused"));
	world.workers[WORKERS - 1].tun_singly = true;
	assert_true(status_says("tunnel: TSO checksum, super-packets refused;"));
}

/* --- one session --- */

static size_t find(const char *wanted)
{
	world.answers = 0;
	world.found = 99;
	questions_ops.find(&world.d, request, wanted);
	while (work())
		;
	assert_int_equal(world.answers, 1);
	nothing_is_left();
	return world.found;
}

/* None, one, or more than one: of many sessions two are copied at most. */
static void test_find(void **state)
{
	struct session *s;
	char id[9];

	assert_int_equal(find(NULL), 0);
	s = born(2, "alice");
	assert_int_equal(find(NULL), 1);
	fill(0, MANY);
	fill(1, 3);
	world.rows = 0;
	assert_int_equal(find("alice"), 1);
	assert_memory_equal(world.row[0].id, s->id, sizeof(s->id));
	assert_int_equal(world.row[0].worker, 2);
	assert_int_equal(world.rows, 1);
	snprintf(id, sizeof(id), "%02X%02x%02x%02x", s->id[0], s->id[1], s->id[2], s->id[3]);
	assert_int_equal(find(id), 1);
	assert_memory_equal(world.row[0].id, s->id, sizeof(s->id));
	assert_int_equal(find("alic"), 0);
	world.rows = 0;
	assert_int_equal(find("many"), 2);
	assert_int_equal(find(NULL), 2);
	assert_int_equal(world.rows, 4);
}

/* No worker looks at more than a step of its sessions between packets. */
static void test_step(void **state)
{
	unsigned int steps = 0;

	fill(0, MANY);
	world.answers = 0;
	questions_ops.find(&world.d, request, "nobody");
	while (work())
		steps++;
	assert_int_equal(world.answers, 1);
	assert_int_equal(world.found, 0);
	assert_in_range(steps, MANY / ENGINE_STEP, MANY / ENGINE_STEP + 2 * WORKERS);
}

/* --- orders --- */

static void give(enum message_kind order, const struct session_info *s)
{
	world.answers = 0;
	if (order == MESSAGE_JUMP)
		questions_ops.jump(&world.d, request, s, 2);
	else if (order == MESSAGE_TERMINATE)
		questions_ops.terminate(&world.d, request, s);
	else
		questions_ops.rekey(&world.d, request, s);
	assert_int_equal(world.asked, 1); /* the worker that has it, and nobody else */
	assert_true(world.queue[0].kind == order && world.queue[0].worker == s->worker);
	assert_memory_equal(world.queue[0].id, s->id, sizeof(s->id));
	while (work())
		;
	assert_int_equal(world.answers, 1);
}

static void test_orders(void **state)
{
	born(1, "alice");
	assert_int_equal(find("alice"), 1);
	give(MESSAGE_REKEY, &world.row[0]);
	assert_string_equal(world.said, "new keys are being agreed on");
	give(MESSAGE_JUMP, &world.row[0]);
	assert_int_equal(world.why, REASON_COOLDOWN_ACTIVE);
	give(MESSAGE_TERMINATE, &world.row[0]);
	assert_string_equal(world.said, "the session has ended");
	give(MESSAGE_TERMINATE, &world.row[0]);
	assert_int_equal(world.why, REASON_UNKNOWN_SESSION);
}

/* An answer that comes late meets nobody's question. */
static void test_late_answer(void **state)
{
	struct session *s = born(1, "alice");
	struct session_info row = { .worker = 1 };
	struct message late;

	memcpy(row.id, s->id, sizeof(row.id));
	questions_ops.rekey(&world.d, request, &row);
	late = world.queue[0];
	questions_stop(&world.d);
	assert_int_equal(world.answers, 1);
	questions_answered(&world.d, &late);
	assert_int_equal(world.answers, 1);
	world.asked = 0;
}

/* --- all of them --- */

#define LASTING 1500

static struct {
	struct session *lasting[LASTING], *passing[LASTING];
	unsigned int met[LASTING];
	struct table_of_ids {
		uint8_t id[16];
	} seen[20000];
	size_t nseen;
} listing;

static void note(const struct session_info *s)
{
	for (size_t i = 0; i < listing.nseen; i++)
		assert_true(memcmp(listing.seen[i].id, s->id, 16) != 0);
	memcpy(listing.seen[listing.nseen++].id, s->id, 16);
	for (unsigned int i = 0; i < LASTING; i++)
		listing.met[i] += memcmp(listing.lasting[i]->id, s->id, 16) == 0;
}

/* Some of those that pass end, others are born: before, at, and behind the place of the walk. */
static void come_and_go(void)
{
	for (unsigned int n = 0; n < 40; n++) {
		const unsigned int i = (unsigned int)(prng_next(&world.rng) % LASTING);

		ends(listing.passing[i]);
		listing.passing[i] = born((unsigned int)(prng_next(&world.rng) % WORKERS), "passing");
	}
	for (unsigned int i = 0; i < WORKERS; i++)
		engine_tick(world.workers[i].engine, world.now); /* what has ended is freed */
}

/* Between pages sessions come and go: one that lives all the while is listed once, and none twice. */
static void test_listing(void **state)
{
	memset(&listing, 0, sizeof(listing));
	for (unsigned int i = 0; i < LASTING; i++) {
		listing.lasting[i] = born(i % WORKERS, "lasting");
		listing.passing[i] = born(i % 2, "passing");
	}
	world.listed = note;
	questions_ops.sessions(&world.d, request);
	while (world.asked > 0 || world.waits) {
		const size_t before = world.rows;

		work();
		assert_true(world.rows - before <= ENGINE_STEP);
		come_and_go();
		if (world.waits) {
			world.waits = false;
			questions_ops.next(&world.d, request);
		}
	}
	assert_int_equal(world.answers, 1);
	assert_true(world.pages > 2 * LASTING / ENGINE_STEP);
	for (unsigned int i = 0; i < LASTING; i++)
		assert_int_equal(listing.met[i], 1);
}

/* A client that goes in the middle of it: the walk ends where it is, and the sessions end in peace. */
static void test_gone_client(void **state)
{
	fill(0, 300);
	questions_ops.sessions(&world.d, request);
	work();
	assert_true(world.waits);
	assert_false(list_is_empty(&world.workers[0].engine->walks));
	world.gone = true;
	questions_ops.next(&world.d, request);
	assert_int_equal(world.answers, 1);
	assert_false(list_is_empty(&world.d.gathers)); /* until the worker has let go of it */
	while (work())
		;
	nothing_is_left();
	world.gone = false;
	assert_int_equal(find("many"), 2);
}

static void test_none(void **state)
{
	questions_ops.sessions(&world.d, request);
	while (work())
		assert_false(world.waits);
	assert_int_equal(world.answers, 1);
	assert_int_equal(world.pages, 1);
}

/* The daemon ends in the middle of everything. */
static void test_stop(void **state)
{
	fill(0, 300);
	questions_ops.sessions(&world.d, request);
	work();
	questions_ops.find(&world.d, request, "many");
	world.d.quitting = true;
	world.answers = 0;
	world.asked = 0; /* the workers' threads have ended */
	for (unsigned int i = 0; i < WORKERS; i++)
		list_init(&world.workers[i].engine->walks);
	questions_stop(&world.d);
	assert_int_equal(world.answers, 2);
	assert_string_equal(world.said, "the daemon is ending");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_numbers_cost_the_same, set_up, take_down),
		cmocka_unit_test_setup_teardown(test_refusal_is_told, set_up, take_down),
		cmocka_unit_test_setup_teardown(test_find, set_up, take_down),
		cmocka_unit_test_setup_teardown(test_step, set_up, take_down),
		cmocka_unit_test_setup_teardown(test_orders, set_up, take_down),
		cmocka_unit_test_setup_teardown(test_late_answer, set_up, take_down),
		cmocka_unit_test_setup_teardown(test_listing, set_up, take_down),
		cmocka_unit_test_setup_teardown(test_gone_client, set_up, take_down),
		cmocka_unit_test_setup_teardown(test_none, set_up, take_down),
		cmocka_unit_test_setup_teardown(test_stop, set_up, take_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
