/* A request of the control socket: what it says, and the texts of some answers. Values, which know of no connection. */
#pragma once

#include "audit/record.h"
#include "session/info.h"
#include "session/match.h"

enum {
	REQUEST_LINE_MAX = 64 * 1024,      /* with its newline */
	REQUEST_NAME_MAX = MATCH_NAME_MAX, /* of sessions and paths as requests name them; with the NUL */
	REQUEST_TEXT_MAX = 512,            /* of one error */
};

enum request_command {
	CTL_STATUS,
	CTL_SESSIONS,
	CTL_SHOW,
	CTL_JUMP,
	CTL_TERMINATE,
	CTL_REKEY,
	CTL_EVENTS,
	CTL_RELOAD
};

struct request { /* as it was written */
	enum request_command command;
	bool has_session;
	char session[REQUEST_NAME_MAX];
	char path[REQUEST_NAME_MAX]; /* "" : none */
	bool follow;
};

/* False: *why says what is wrong with it. */
bool request_parse(struct request *out, const char *line, size_t len, char why[REQUEST_TEXT_MAX]);
/* Does the record belong to what `session` names (NULL or "": everything)? */
bool request_selects(const char *session, const struct audit_record *r);
/* {"ok": true, "events": [...]} and the lines of a backlog; malloc, NULL without memory. */
char *request_events(const char *session, const struct audit_record *r, size_t n, bool lines, size_t *len);
/*
 * A piece of {"ok": true, "sessions": [...]}: *rows of it have been written, and it has begun if `began`. malloc, NULL
 * without memory.
 */
char *request_page(const struct session_info *s, size_t n, bool began, bool last, size_t *rows, size_t *len);
