/* The timeline as text: a strip of states for each end, then what happened, line by line. */
#include "report/timeline_text.h"

#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "report/finding.h"

enum { STRIP = 72, TICK = 18 };

static const char letters[] = "b-vDR."; /* by state; a healthy line is a quiet one */

static void put_strip(FILE *out, const struct timeline *t, const struct tl_lane *l)
{
	uint8_t state[STRIP], path[STRIP];
	char text[STRIP + 1], name[96];

	timeline_raster(l, t->from, t->to, state, STRIP);
	timeline_raster_path(l, t->from, t->to, path, STRIP);
	for (size_t i = 0; i < STRIP; i++)
		text[i] = state[i] == STATE_COUNT ? ' ' : letters[state[i]];
	text[STRIP] = '\0';
	fprintf(out, "  %-16s|%s|\n", timeline_end(l, name), text);
	for (size_t i = 0; i < STRIP; i++)
		text[i] = path[i] == AUDIT_NO_PATH ? ' ' : (char)('0' + path[i] % 10);
	fprintf(out, "  %-16s|%s|\n", "  path", text);
}

static void put_axis(FILE *out, const struct timeline *t)
{
	char clock[40];

	fprintf(out, "  %-16s", "");
	for (unsigned int i = 0; i <= STRIP / TICK; i++) {
		const int64_t us = t->from + (t->to - t->from) / (STRIP / TICK) * i;

		fprintf(out, "|%-*.*s", TICK - 1, TICK - 1, timeline_clock(us, (t->to - t->from) / STRIP, clock));
	}
	fputc('\n', out);
}

static void put_head(FILE *out, const struct timeline *t, size_t first)
{
	const struct tl_lane *l = &t->lane[first];
	char hex[33], from[40], to[40], name[16];

	hex_encode(hex, l->id, sizeof(l->id));
	for (size_t i = first; i < t->lanes && memcmp(t->lane[i].id, l->id, sizeof(l->id)) == 0; i++)
		if (!t->lane[i].client)
			l = &t->lane[i]; /* the server knows the peer's name */
	fprintf(out, "session %s%s%s\n", hex, l->client || !l->peer[0] ? "" : " of ",
		l->client ? "" : l->peer);
	fprintf(out, "  %s to %s\n", timeline_date(t->from, from), timeline_date(t->to, to));
	fprintf(out,
		"  - ATTACHED  v VOLATILE  R RECOVERING  D DEGRADED  b BIRTH; the worst of each column;");
	for (uint8_t i = 0; i < PROTO_PATHS_MAX; i++)
		if (l->path_name[i][0])
			fprintf(out, " %u %s", i, timeline_path(l, i, name));
	fprintf(out, "\n\n");
}

/* What one event says beside its name. */
static void put_details(FILE *out, const struct tl_lane *l, const struct tl_event *e)
{
	char from[16], to[16], span[32];

	if (e->event == AUDIT_SESSION_STATE_CHANGE)
		fprintf(out, " %s -> %s", state_name(e->from), state_name(e->to));
	if (e->event == AUDIT_TRANSPORT_SWITCH || e->event == AUDIT_REATTACH_ATTEMPT)
		fprintf(out, " %s -> %s", timeline_path(l, e->path_from, from), timeline_path(l, e->path_to, to));
	else if (e->event != AUDIT_SESSION_STATE_CHANGE && e->path_to != AUDIT_NO_PATH)
		fprintf(out, " %s", timeline_path(l, e->path_to, to));
	if (e->reason != REASON_NONE)
		fprintf(out, " %s", reason_name(e->reason));
	if (e->event == AUDIT_TRANSPORT_ATTACHED || e->event == AUDIT_TRANSPORT_REBOUND)
		fprintf(out, " %s", e->remote);
	if (e->event == AUDIT_SESSION_REKEYED)
		fprintf(out, " epoch %u", e->epoch);
	if (e->retry_after_ms > 0)
		fprintf(out, " (retry after %u ms)", e->retry_after_ms);
	if (e->srtt_us > 0)
		fprintf(out, " rtt %s", timeline_span(e->srtt_us, span));
	if (e->loss_ppm > 0)
		fprintf(out, " loss %.1f %%", e->loss_ppm / 1e4);
	if (e->late_ms >= VERIFY_LATE_MS)
		fprintf(out, " (the worker woke %s too late)", timeline_span((int64_t)e->late_ms * 1000, span));
	if (e->count > 1)
		fprintf(out, " x%" PRIu64, e->count);
	if (e->span_ms > 0)
		fprintf(out, " in %s", timeline_span((int64_t)e->span_ms * 1000, span));
	fputc('\n', out);
}

static void put_colour(FILE *out, const struct timeline *t, const struct tl_event *e, bool on)
{
	const bool is_bad = e->event == AUDIT_TRANSPORT_SWITCH_DENIED ||
			    e->event == AUDIT_SECURITY_REPLAY_DETECTED ||
			    e->event == AUDIT_SECURITY_VALIDATION_FAILED;

	if (!t->colour)
		return;
	if (!on)
		fputs("\033[0m", out);
	else if (is_bad || (e->event == AUDIT_SESSION_STATE_CHANGE && e->to == STATE_DEGRADED))
		fputs("\033[31m", out);
	else if (e->event == AUDIT_SESSION_STATE_CHANGE && e->to == STATE_ATTACHED)
		fputs("\033[32m", out);
	else if (e->event == AUDIT_SESSION_STATE_CHANGE)
		fputs("\033[33m", out);
}

static void put_event(FILE *out, const struct timeline *t, const struct tl_lane *l, const struct tl_event *e,
		      int64_t before)
{
	char clock[40], span[32], name[96];

	fprintf(out, "  %s %10s  ", timeline_clock(e->us, 1000, clock),
		before && e->us > before ? timeline_span(e->us - before, span) : "");
	put_colour(out, t, e, true);
	fprintf(out, "%-16s %s", timeline_end(l, name), audit_event_name(e->event));
	put_details(out, l, e);
	put_colour(out, t, e, false);
}

/* Events of all ends of a session by time; a row of more than a few equal ones is told once. */
static void put_events(FILE *out, const struct timeline *t, size_t first, size_t n)
{
	size_t at[8] = { 0 };
	int64_t before = 0;
	uint64_t equal = 0;
	enum audit_event last = AUDIT_EVENT_COUNT;

	for (;;) {
		const struct tl_event *e = NULL;
		size_t lane = 0;

		for (size_t i = 0; i < n; i++) {
			const struct tl_lane *l = &t->lane[first + i];

			if (at[i] < l->events && (!e || l->event[at[i]].us < e->us)) {
				e = &l->event[at[i]];
				lane = i;
			}
		}
		if (!e || e->event != last) {
			if (equal > 3)
				fprintf(out, "  %-23s ... %" PRIu64 " more of these\n", "", equal - 3);
			equal = 0;
		}
		if (!e)
			return;
		at[lane]++;
		if (e->us < t->from || e->us > t->to)
			continue;
		last = e->event;
		if (equal++ < 3)
			put_event(out, t, &t->lane[first + lane], e, before);
		before = e->us;
	}
}

void timeline_text(FILE *out, const struct timeline *t)
{
	size_t first = 0, n;

	for (; first < t->lanes; first += n) {
		for (n = 1; n < 8 && first + n < t->lanes &&
			    memcmp(t->lane[first].id, t->lane[first + n].id, sizeof(t->lane[0].id)) == 0;
		     n++)
			;
		put_head(out, t, first);
		for (size_t i = 0; i < n; i++)
			put_strip(out, t, &t->lane[first + i]);
		put_axis(out, t);
		fputc('\n', out);
		put_events(out, t, first, n);
		fputc('\n', out);
	}
	if (t->left_out > 0)
		fprintf(out, "%" PRIu64 " more sessions: choose one with --session\n", t->left_out);
	if (t->lost + t->skipped > 0)
		fprintf(out, "%" PRIu64 " records are missing, %" PRIu64 " lines could not be read\n",
			t->lost, t->skipped);
}
