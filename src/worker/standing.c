#include "worker/standing.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static bool is_refusal(enum audit_event e)
{
	return e == AUDIT_TRANSPORT_SWITCH_DENIED || e == AUDIT_SECURITY_REPLAY_DETECTED ||
	       e == AUDIT_SECURITY_VALIDATION_FAILED;
}

void standing_note(struct standing *s, const struct audit_record *r)
{
	if (is_refusal(r->event)) {
		s->refused = *r;
		s->refusals += r->count;
	}
	if (!r->client)
		return;
	if (r->event == AUDIT_SESSION_STATE_CHANGE)
		s->state = r->to;
	if ((r->event == AUDIT_TRANSPORT_ATTACHED || r->event == AUDIT_TRANSPORT_SWITCH) && r->path_name[0])
		snprintf(s->path, sizeof(s->path), "%.*s", AUDIT_PATH_NAME_MAX, r->path_name);
}

static int describe(char *out, size_t cap, const struct standing *s, bool server, uint64_t sessions)
{
	if (server)
		return snprintf(out, cap, "%" PRIu64 " session%s", sessions, sessions == 1 ? "" : "s");
	if (s->state == STATE_BIRTH || s->state == STATE_TERMINATED)
		return snprintf(out, cap, "connecting");
	return snprintf(out, cap, "%s%s%s", state_name(s->state), s->path[0] ? " on " : "", s->path);
}

/* Of what the log has of it: when, why, and whose or from where. */
static void describe_refusal(char *out, size_t cap, const struct standing *s)
{
	const time_t at = (time_t)(s->refused.ts_ms / 1000);
	const bool named = s->refused.has_session && s->refused.peer[0];
	char clock[16], remote[ENDPOINT_STRLEN];
	struct tm tm;

	if (s->refusals == 0)
		return;
	localtime_r(&at, &tm);
	strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	snprintf(out, cap, "; refused last: %s, %s, %s", reason_name(s->refused.reason),
		 named ? s->refused.peer : endpoint_format(&s->refused.remote, remote), clock);
}

const char *standing_news(struct standing *s, bool server, uint64_t sessions, struct jv_time now)
{
	char line[sizeof(s->told)];
	int n;

	if (time_since_ms(now, s->told_at) < STANDING_MS)
		return NULL;
	n = describe(line, sizeof(line), s, server, sessions);
	describe_refusal(line + n, sizeof(line) - (size_t)n, s);
	if (strcmp(line, s->told) == 0)
		return NULL;
	s->told_at = now;
	memcpy(s->told, line, sizeof(s->told));
	return s->told;
}
