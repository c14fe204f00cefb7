#include "report/timeline_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const char *timeline_path(const struct tl_lane *l, uint8_t path, char buf[16])
{
	if (path < PROTO_PATHS_MAX && l->path_name[path][0])
		return l->path_name[path];
	if (path == AUDIT_NO_PATH)
		return "no path";
	snprintf(buf, 16, "path %u", path);
	return buf;
}

const char *timeline_end(const struct tl_lane *l, char buf[96])
{
	if (l->client)
		snprintf(buf, 96, "client");
	else
		snprintf(buf, 96, "server (node %u)", l->node_id);
	return buf;
}

/* --- rasters --- */

static unsigned int severity(unsigned int state)
{
	static const unsigned int rank[] = {
		[STATE_BIRTH] = 2,    [STATE_ATTACHED] = 1,   [STATE_VOLATILE] = 3,
		[STATE_DEGRADED] = 5, [STATE_RECOVERING] = 4, [STATE_TERMINATED] = 0,
	};

	return state < STATE_COUNT ? rank[state] : 0;
}

static size_t column_of(int64_t at, int64_t from, int64_t to, size_t n)
{
	if (at <= from)
		return 0;
	if (at >= to)
		return n - 1;
	return (size_t)((double)(at - from) / (double)(to - from) * (double)n);
}

uint8_t timeline_worst(const struct audit_record *r)
{
	const struct audit_flaps *f = &r->flaps;
	const struct {
		enum state state;
		uint32_t ms;
	} was[] = { { STATE_ATTACHED, f->attached_ms },
		    { STATE_VOLATILE, f->volatile_ms },
		    { STATE_RECOVERING, f->recovering_ms },
		    { STATE_DEGRADED, f->degraded_ms } };
	uint8_t worst = STATE_COUNT;

	for (size_t i = 0; r->count > 1 && i < sizeof(was) / sizeof(was[0]); i++)
		if (was[i].ms > 0 && severity(was[i].state) > severity(worst))
			worst = (uint8_t)was[i].state;
	return worst;
}

static void paint(uint8_t *column, size_t first, size_t last, uint8_t state)
{
	for (size_t i = first; i <= last; i++)
		if (column[i] == STATE_COUNT || severity(state) > severity(column[i]))
			column[i] = state;
}

void timeline_raster(const struct tl_lane *l, int64_t from, int64_t to, uint8_t *column, size_t n)
{
	memset(column, STATE_COUNT, n);
	for (size_t i = 0; i < l->events; i++) {
		const struct tl_event *e = &l->event[i];
		const int64_t end = i + 1 < l->events ? e[1].us : l->until;

		if (e->worst < STATE_COUNT && e->us >= from && e->us - (int64_t)e->span_ms * 1000 <= to)
			paint(column, column_of(e->us - (int64_t)e->span_ms * 1000, from, to, n),
			      column_of(e->us, from, to, n), e->worst);
		if (e->to == STATE_TERMINATED || end < from || e->us > to)
			continue;
		paint(column, column_of(e->us, from, to, n), column_of(end, from, to, n), (uint8_t)e->to);
	}
}

static bool has_path(const struct tl_event *e)
{
	return e->path_to != AUDIT_NO_PATH &&
	       (e->event == AUDIT_TRANSPORT_ATTACHED || e->event == AUDIT_TRANSPORT_SWITCH ||
		e->event == AUDIT_TRANSPORT_REBOUND ||
		(e->event == AUDIT_SESSION_STATE_CHANGE && e->from != STATE_BIRTH));
}

void timeline_raster_path(const struct tl_lane *l, int64_t from, int64_t to, uint8_t *column, size_t n)
{
	uint8_t path = AUDIT_NO_PATH;

	memset(column, AUDIT_NO_PATH, n);
	for (size_t i = 0; i < l->events; i++) {
		const struct tl_event *e = &l->event[i];
		const int64_t end = i + 1 < l->events ? e[1].us : l->until;

		if (has_path(e))
			path = e->path_to;
		if (e->to == STATE_TERMINATED || end < from || e->us > to || path == AUDIT_NO_PATH)
			continue;
		memset(column + column_of(e->us, from, to, n), path,
		       column_of(end, from, to, n) - column_of(e->us, from, to, n) + 1);
	}
}

/* --- time for people --- */

static void split(int64_t us, struct tm *tm)
{
	const time_t t = (time_t)(us / 1000000);

	if (!gmtime_r(&t, tm))
		memset(tm, 0, sizeof(*tm));
}

const char *timeline_date(int64_t us, char buf[40])
{
	struct tm tm;
	size_t n;

	split(us, &tm);
	n = strftime(buf, 40, "%Y-%m-%d %H:%M:%S", &tm);
	snprintf(buf + n, 40 - n, ".%03u UTC", (unsigned int)(us / 1000 % 1000));
	return buf;
}

const char *timeline_clock(int64_t us, int64_t step_us, char buf[40])
{
	struct tm tm;
	size_t n;

	split(us, &tm);
	n = strftime(buf, 40, step_us >= 60000000 ? "%H:%M" : "%H:%M:%S", &tm);
	if (step_us < 1000)
		snprintf(buf + n, 40 - n, ".%06u", (unsigned int)(us % 1000000));
	else if (step_us < 1000000)
		snprintf(buf + n, 40 - n, ".%03u", (unsigned int)(us / 1000 % 1000));
	return buf;
}

const char *timeline_span(int64_t us, char buf[32])
{
	if (us < 1000)
		snprintf(buf, 32, "%d us", (int)us);
	else if (us < 10000)
		snprintf(buf, 32, "%.1f ms", (double)us / 1000);
	else if (us < 1000000)
		snprintf(buf, 32, "%d ms", (int)(us / 1000));
	else if (us < 60000000)
		snprintf(buf, 32, "%.2f s", (double)us / 1e6);
	else if (us < 3600000000)
		snprintf(buf, 32, "%d min %d s", (int)(us / 60000000), (int)(us / 1000000 % 60));
	else
		snprintf(buf, 32, "%d h %d min", (int)(us / 3600000000), (int)(us / 60000000 % 60));
	return buf;
}

int64_t timeline_step(int64_t span_us, unsigned int most)
{
	static const int64_t above[] = { 1,   2,   5,    10,   15,   30,    60,    120,   300,
					 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400 };
	int64_t step = 1;

	for (int64_t decade = 1; decade < 1000000; decade *= 10) {
		for (int k = 1; k <= 5; k = k == 1 ? 2 : k == 2 ? 5 : 6) {
			step = decade * k;
			if (span_us / step <= most)
				return step;
		}
	}
	for (size_t i = 0; i < sizeof(above) / sizeof(above[0]); i++)
		if (span_us / (above[i] * 1000000) <= most)
			return above[i] * 1000000;
	for (step = 86400000000; span_us / step > most; step *= 2)
		;
	return step;
}

/* --- words --- */

void timeline_tell(const struct timeline *t, const struct tl_episode *e, char *buf, size_t cap)
{
	const struct tl_lane *l = &t->lane[e->lane];
	char from[16], to[16], span[32];
	int n = snprintf(buf, cap, "%s on %s", reason_name(e->cause), timeline_path(l, e->path_from, from));

	timeline_span(e->to - e->from, span);
	if (n < 0 || (size_t)n >= cap)
		return;
	buf += n;
	cap -= (size_t)n;
	if (e->state == STATE_TERMINATED)
		n = snprintf(buf, cap, "; ended after %s: %s", span, reason_name(e->end));
	else if (e->state != STATE_ATTACHED)
		n = snprintf(buf, cap, "; still %s after %s", state_name(e->state), span);
	else if (e->switches > 0)
		n = snprintf(buf, cap, "; on %s after %s", timeline_path(l, e->path_to, to), span);
	else
		n = snprintf(buf, cap, "; %s after %s", reason_name(e->end), span);
	if (n < 0 || (size_t)n >= cap)
		return;
	if (e->switches > 1)
		n += snprintf(buf + n, cap - (size_t)n, ", %u switches", e->switches);
	if (e->denials > 0 && (size_t)n < cap)
		snprintf(buf + n, cap - (size_t)n, ", %u denied", e->denials);
}
