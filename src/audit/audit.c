#include "audit/audit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "audit/jsonl.h"
#include "audit/queue.h"
#include "audit/sink.h"
#include "audit/syslog.h"

struct audit_ring {
	struct queue *queue;
};

struct audit {
	struct sink *jsonl; /* NULL until first wanted; a thread once started stays */
	struct sink *syslog;
	bool to_jsonl, to_syslog; /* fed now */
	struct jsonl_held held;
	chain_digest *digest;
	uint8_t run[AUDIT_RUN_LEN];
	uint64_t seq; /* of the last record handed on */
	size_t producers;
	size_t slots;
	struct audit_ring ring[];
};

static int jsonl_configure(struct audit *a, struct jsonl_file *f)
{
	void *state;
	int err;

	if (a->jsonl) {
		jsonl_replace(sink_state(a->jsonl), f);
		sink_wake(a->jsonl);
		return 0;
	}
	state = jsonl_new(f, a->digest, a->run);
	if (!state)
		return -ENOMEM;
	err = sink_start(&a->jsonl, &jsonl_sink, state, a->slots);
	if (err)
		free(state);
	return err;
}

static int syslog_configure(struct audit *a, const struct audit_config *cfg)
{
	void *state;
	int err;

	if (a->syslog) {
		syslog_set_facility(sink_state(a->syslog), cfg->syslog_facility);
		return 0;
	}
	state = syslog_new(cfg->ident, cfg->syslog_facility);
	if (!state)
		return -ENOMEM;
	err = sink_start(&a->syslog, &syslog_sink, state, a->slots);
	if (err)
		free(state);
	return err;
}

/* All that can fail comes before the first change of what is fed. */
int audit_reopen(struct audit *a, const struct audit_config *cfg, const char **error)
{
	const struct jsonl_held held = a->held;
	struct jsonl_file *f = NULL;
	int err = 0;

	if (cfg->jsonl || a->jsonl) {
		f = jsonl_open(cfg->jsonl, &a->held);
		err = f ? 0 : -errno;
		*error = err == -ELOOP         ? "the audit file is a link, and links are not followed"
			 : err == -EWOULDBLOCK ? "another process writes the audit file"
					       : "cannot open the audit file";
		if (!f)
			return err;
	}
	*error = "cannot start the audit thread";
	if (cfg->syslog)
		err = syslog_configure(a, cfg);
	if (!err && f)
		err = jsonl_configure(a, f);
	if (err) {
		jsonl_close(f);
		a->held = held;
		return err;
	}
	a->to_syslog = cfg->syslog;
	a->to_jsonl = cfg->jsonl != NULL;
	*error = NULL;
	return 0;
}

static int audit_open_rings(struct audit *a)
{
	for (size_t i = 0; i < a->producers; i++) {
		a->ring[i].queue = queue_new(a->slots);
		if (!a->ring[i].queue)
			return -ENOMEM;
	}
	return 0;
}

int audit_open(struct audit **out, const struct audit_config *cfg, size_t producers, size_t slots,
	       const char **error)
{
	struct audit *a = calloc(1, sizeof(*a) + producers * sizeof(a->ring[0]));
	int err;

	*error = "no memory for the audit rings";
	if (!a)
		return -ENOMEM;
	a->producers = producers;
	a->slots = slots;
	a->digest = cfg->digest;
	memcpy(a->run, cfg->run, sizeof(a->run));
	err = audit_open_rings(a);
	if (!err)
		err = audit_reopen(a, cfg, error);
	if (err) {
		audit_close(a, 0);
		return err;
	}
	*out = a;
	return 0;
}

struct audit_ring *audit_ring(struct audit *a, size_t producer)
{
	return &a->ring[producer];
}

static int64_t clock_ms(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* When `at` was on the wall clock: a summary is written up to a second after the last of what it tells. */
static uint64_t wall_clock_ms(struct jv_time at)
{
	const int64_t ago = clock_ms(CLOCK_BOOTTIME) - at.us / 1000;
	const int64_t wall = clock_ms(CLOCK_REALTIME);

	return (uint64_t)(ago > 0 && ago < wall ? wall - ago : wall);
}

void audit_push(struct audit_ring *r, const struct audit_record *rec)
{
	struct audit_record stamped = *rec;

	stamped.ts_ms = wall_clock_ms(rec->at);
	queue_push(r->queue, &stamped);
}

static void audit_feed(struct audit *a, const struct audit_record *r)
{
	if (a->to_jsonl)
		sink_push(a->jsonl, r);
	if (a->to_syslog)
		sink_push(a->syslog, r);
}

void audit_drain(struct audit *a, void (*tap)(void *ctx, const struct audit_record *r), void *ctx)
{
	struct audit_record r;
	bool any = false;

	for (size_t i = 0; i < a->producers; i++) {
		/* Bounded: a producer that never stops must not keep the control loop here. */
		for (size_t n = 0; n <= a->slots && queue_pop(a->ring[i].queue, &r); n++) {
			r.seq = ++a->seq;
			if (tap)
				tap(ctx, &r);
			audit_feed(a, &r);
			any = true;
		}
	}
	if (any && a->to_jsonl)
		sink_wake(a->jsonl);
	if (any && a->to_syslog)
		sink_wake(a->syslog);
}

uint64_t audit_lost(const struct audit *a)
{
	uint64_t lost = 0;

	for (size_t i = 0; i < a->producers; i++)
		lost += queue_lost(a->ring[i].queue);
	if (a->jsonl)
		lost += sink_lost(a->jsonl);
	if (a->syslog)
		lost += sink_lost(a->syslog);
	return lost;
}

static uint64_t deadline(unsigned int wait_ms)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000 + wait_ms;
}

void audit_close(struct audit *a, unsigned int wait_ms)
{
	uint64_t until = deadline(wait_ms);

	if (a->jsonl || a->syslog)
		audit_drain(a, NULL, NULL);
	if (a->jsonl)
		sink_stop(a->jsonl);
	if (a->syslog)
		sink_stop(a->syslog);
	if (a->jsonl)
		sink_join(a->jsonl, until);
	if (a->syslog)
		sink_join(a->syslog, until);
	for (size_t i = 0; i < a->producers; i++)
		queue_free(a->ring[i].queue);
	free(a);
}
