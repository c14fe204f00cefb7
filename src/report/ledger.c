#include "report/ledger.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HOLES = 64 };

struct hole { /* seq numbers that were passed over */
	uint64_t from, to, line;
};

struct ledger {
	struct verify *v;
	uint32_t *origins;
	chain_digest *digest;
	finding_found *found;
	void *ctx;
	struct ledger_totals totals;
	bool new_file;
	/* the run at hand */
	uint32_t origin;
	uint8_t run[AUDIT_RUN_LEN];
	uint64_t seq;                  /* of the last line in its place */
	uint8_t last[AUDIT_CHAIN_LEN]; /* and what it says of the chain */
	uint64_t excused;              /* lost, by the word of an AuditGap just read */
	struct hole hole[HOLES];
	size_t holes;
	/* lines just read that could not be */
	uint64_t bad_line, bad;
	const char *bad_why;
	bool torn; /* the file ended in the last of them */
};

__attribute__((format(printf, 4, 5))) static void find(struct ledger *log, const char *rule, uint64_t line,
						       const char *format, ...)
{
	struct verify_finding f = { .rule = rule, .origin = log->origin, .line = line };
	va_list args;

	va_start(args, format);
	vsnprintf(f.text, sizeof(f.text), format, args);
	va_end(args);
	log->found(log->ctx, &f);
}

static bool builds_on(const struct ledger *log, const char *text, const struct decoded *read,
		      const uint8_t prev[AUDIT_CHAIN_LEN])
{
	uint8_t value[AUDIT_CHAIN_LEN];

	chain_next(log->digest, value, prev, text, read->chained);
	return memcmp(value, read->chain, sizeof(value)) == 0;
}

static bool is_zero(const uint8_t value[AUDIT_CHAIN_LEN])
{
	static const uint8_t zero[AUDIT_CHAIN_LEN];

	return memcmp(value, zero, sizeof(zero)) == 0;
}

/* --- what is missing --- */

static void report_hole(struct ledger *log, const struct hole *h)
{
	find(log, "gap", h->line, "%llu record%s missing before this line: seq %llu to %llu",
	     (unsigned long long)(h->to - h->from + 1), h->to == h->from ? " is" : "s are",
	     (unsigned long long)h->from, (unsigned long long)h->to);
}

static void add_hole(struct ledger *log, uint64_t from, uint64_t to, uint64_t line)
{
	if (log->holes == HOLES) {
		report_hole(log, &log->hole[0]);
		memmove(log->hole, log->hole + 1, (HOLES - 1) * sizeof(log->hole[0]));
		log->holes--;
	}
	log->hole[log->holes++] = (struct hole){ from, to, line };
	verify_gap(log->v, log->origin, VERIFY_ANY_WORKER, to - from + 1);
}

static void report_holes(struct ledger *log)
{
	for (size_t i = 0; i < log->holes; i++)
		report_hole(log, &log->hole[i]);
	log->holes = 0;
}

/* Was this one passed over before? Then it is not missing, only late. */
static bool fill_hole(struct ledger *log, uint64_t seq)
{
	for (size_t i = 0; i < log->holes; i++) {
		struct hole *h = &log->hole[i];
		struct hole rest = { seq + 1, h->to, h->line };

		if (seq < h->from || seq > h->to)
			continue;
		h->to = seq - 1;
		if (rest.from <= rest.to && log->holes < HOLES)
			log->hole[log->holes++] = rest;
		if (h->from > h->to)
			*h = log->hole[--log->holes];
		return true;
	}
	return false;
}

static void judge_bad(struct ledger *log, bool killed)
{
	if (log->bad == 1 && killed)
		find(log, "note", log->bad_line,
		     "a piece of a line, left by a daemon that was killed or a full disk");
	else if (log->bad > 0)
		find(log, "malformed", log->bad_line, "%s%s", log->bad_why,
		     log->bad > 1 ? " (the first of several lines in a row)" : "");
	log->bad = 0;
}

void ledger_bad(struct ledger *log, uint64_t line, const char *why, bool torn)
{
	log->torn = torn;
	if (log->bad++ == 0) {
		log->bad_line = line;
		log->bad_why = why;
	}
}

/* --- a run begins, or the log begins in the middle of one --- */

static void run_ends(struct ledger *log)
{
	report_holes(log);
	verify_origin_end(log->v, log->origin);
}

static void unlogged(struct ledger *log, uint64_t line, uint64_t n)
{
	find(log, "note", line, "%llu records before this line were not written to this log",
	     (unsigned long long)n);
	log->totals.unlogged += n;
	verify_gap(log->v, log->origin, VERIFY_ANY_WORKER, n);
}

static void run_begins(struct ledger *log, uint64_t line, const char *text, const struct decoded *read)
{
	const bool first = log->totals.runs == 0;
	bool in_the_middle = false;

	judge_bad(log, true);
	if (!first)
		run_ends(log);
	log->origin = (*log->origins)++;
	log->totals.runs++;
	memcpy(log->run, read->run, sizeof(log->run));
	log->excused = 0;
	if (read->has_prev && !builds_on(log, text, read, read->prev))
		find(log, "chain", line, "the line was edited: its chain value does not fit");
	else if (!read->has_prev && !first)
		find(log, "gap", line, "a run begins here without its first line");
	else if (!first && memcmp(read->prev, log->last, sizeof(log->last)) != 0 &&
		 !(log->new_file && is_zero(read->prev)))
		find(log, "gap", line, "a run begins here that does not build on the line before");
	else if (first && !(read->has_prev && is_zero(read->prev)) && read->r.seq != 1)
		in_the_middle = true;
	if (in_the_middle) {
		find(log, "note", line, "the log begins here with seq %llu: what came before is not in it",
		     (unsigned long long)read->r.seq);
		verify_gap(log->v, log->origin, VERIFY_ANY_WORKER, VERIFY_UNKNOWN);
	} else if (read->r.seq > 1 && (read->has_prev || first)) {
		unlogged(log, line, read->r.seq - 1);
	} else if (read->r.seq > 1) {
		verify_gap(log->v, log->origin, VERIFY_ANY_WORKER, read->r.seq - 1);
	}
}

/* --- lines --- */

/* It builds on the line before: its place is right. True: its number is, too. */
static void in_place(struct ledger *log, uint64_t line, const struct decoded *read)
{
	const uint64_t missing = read->r.seq > log->seq ? read->r.seq - log->seq - 1 : 0;

	if (read->r.seq <= log->seq) { /* then the line before lied about its own number */
		find(log, "chain", line, "seq goes back from %llu to %llu: the line before was edited",
		     (unsigned long long)log->seq, (unsigned long long)read->r.seq);
		while (log->holes > 0 && log->hole[log->holes - 1].to >= read->r.seq)
			log->holes--;
	} else if (missing > log->excused && read->has_prev) {
		unlogged(log, line, missing);
	} else if (missing > log->excused) {
		add_hole(log, log->seq + 1, read->r.seq - 1, line);
	}
}

/* False: it is not to be taken for what happened here. */
static bool out_of_place(struct ledger *log, uint64_t line, const char *text,
			 const struct decoded *read)
{
	const uint64_t seq = read->r.seq;

	if (seq == 0) {
		find(log, "chain", line, "an AuditGap that does not fit the chain");
		return true;
	}
	if (seq <= log->seq) {
		if (fill_hole(log, seq))
			find(log, "order", line, "seq %llu stands behind seq %llu", (unsigned long long)seq,
			     (unsigned long long)log->seq);
		else
			find(log, "duplicate", line, "seq %llu stands here again", (unsigned long long)seq);
		return false;
	}
	if (seq == log->seq + 1 && read->has_prev && builds_on(log, text, read, read->prev))
		find(log, "gap", line, "the file does not build on the one before");
	else if (seq == log->seq + 1)
		find(log, "chain", line, "the line was edited: its chain value does not fit");
	else if (seq - log->seq - 1 == log->bad) /* they cannot be read: that is told */
		verify_gap(log->v, log->origin, VERIFY_ANY_WORKER, log->bad);
	else
		add_hole(log, log->seq + 1, seq - 1, line);
	return true;
}

static bool run_goes_on(struct ledger *log, uint64_t line, const char *text, const struct decoded *read)
{
	const bool fits = builds_on(log, text, read, log->last);
	bool taken = true;

	if (!fits)
		taken = out_of_place(log, line, text, read);
	else if (read->r.seq != 0)
		in_place(log, line, read);
	judge_bad(log, fits && read->r.seq == 0);
	return taken;
}

void ledger_line(struct ledger *log, uint64_t line, const char *text, const struct decoded *read)
{
	const struct audit_record *r = &read->r;

	if (log->totals.lines++ == 0)
		log->totals.first_ts_ms = r->ts_ms;
	if (log->totals.runs == 0 || memcmp(read->run, log->run, sizeof(log->run)) != 0)
		run_begins(log, line, text, read);
	else if (!run_goes_on(log, line, text, read))
		return;
	if (r->seq != 0) {
		log->seq = r->seq;
		log->excused = 0;
	} else {
		log->excused += r->count;
	}
	memcpy(log->last, read->chain, sizeof(log->last));
	log->new_file = false;
	log->totals.last_ts_ms = r->ts_ms;
	log->totals.client = r->client;
	log->totals.node_id = r->node_id;
	verify_record(log->v, log->origin, line, r);
}

void ledger_file(struct ledger *log)
{
	log->new_file = true;
}

void ledger_end(struct ledger *log)
{
	judge_bad(log, log->torn);
	if (log->totals.runs > 0)
		run_ends(log);
}

void ledger_totals(const struct ledger *log, struct ledger_totals *out)
{
	*out = log->totals;
	memcpy(out->head, log->last, sizeof(out->head));
}

struct ledger *ledger_new(struct verify *v, uint32_t *origins, chain_digest *digest,
				finding_found *found, void *ctx)
{
	struct ledger *log = calloc(1, sizeof(*log));

	if (!log)
		return NULL;
	log->v = v;
	log->origins = origins;
	log->digest = digest;
	log->found = found;
	log->ctx = ctx;
	return log;
}

void ledger_free(struct ledger *log)
{
	free(log);
}
