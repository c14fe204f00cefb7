/* The syslog sink: one readable line a record. syslog(3) may hang; only this thread hangs with it. */
#include "audit/syslog.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "audit/encode.h"

struct syslog_state {
	atomic_int facility;
	char ident[];
};

void *syslog_new(const char *ident, int facility)
{
	struct syslog_state *s = malloc(sizeof(*s) + strlen(ident) + 1);

	if (!s)
		return NULL;
	atomic_init(&s->facility, facility);
	strcpy(s->ident, ident);
	return s;
}

void syslog_set_facility(void *state, int facility)
{
	struct syslog_state *s = state;

	atomic_store(&s->facility, facility);
}

static void syslog_start(void *state)
{
	struct syslog_state *s = state;

	openlog(s->ident, LOG_PID | LOG_NDELAY, atomic_load(&s->facility));
}

static int level(const struct audit_record *r)
{
	if (record_is_warning(r))
		return LOG_WARNING;
	return r->event == AUDIT_SESSION_REKEYED || r->event == AUDIT_REATTACH_ATTEMPT ? LOG_INFO
										       : LOG_NOTICE;
}

static void syslog_write(void *state, const struct audit_record *r, size_t n)
{
	struct syslog_state *s = state;
	int facility = atomic_load(&s->facility);
	char line[AUDIT_JSON_MAX];

	for (size_t i = 0; i < n; i++) {
		encode_text(line, &r[i]);
		syslog(facility | level(&r[i]), "%s", line);
	}
}

static bool syslog_behind(const void *state)
{
	(void)state;
	return false;
}

static void syslog_finish(void *state)
{
	(void)state;
	closelog();
}

/* syslog(3) tells nobody what it loses. */
static uint64_t syslog_lost(const void *state)
{
	(void)state;
	return 0;
}

const struct sink_type syslog_sink = {
	.thread_name = "audit-syslog",
	.start = syslog_start,
	.write = syslog_write,
	.behind = syslog_behind,
	.finish = syslog_finish,
	.lost = syslog_lost,
	.free = free,
};
