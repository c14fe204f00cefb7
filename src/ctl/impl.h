/*
 * Shared by the files of src/ctl: ctl.c owns connections and their lives, request.c says what a request
 * means, find.c which session it means, json.c how things look as JSON.
 */
#pragma once

#include <jansson.h>

#include "base/list.h"
#include "ctl/ctl.h"
#include "session/match.h"

enum {
	CTL_LINE_MAX = 64 * 1024, /* a request, with its newline */
	CTL_CONNECTIONS = 32,
	CTL_IDLE_MS = 10000,        /* for a request to come, and for its answer to be taken */
	CTL_QUEUE_MAX = 256 * 1024, /* bytes waiting for a follower before it loses records */
	CTL_BACKLOG = 256,          /* records that `events` shows from before it was called */
	CTL_NAME_MAX = MATCH_NAME_MAX, /* of sessions and paths as requests name them; with the NUL */
	CTL_TEXT_MAX = 512,         /* of one error */
};

enum ctl_command { CTL_STATUS, CTL_SESSIONS, CTL_SHOW, CTL_JUMP, CTL_TERMINATE, CTL_REKEY, CTL_EVENTS, CTL_RELOAD };

struct ctl_call { /* a request as it was written */
	enum ctl_command command;
	bool has_session;
	char session[CTL_NAME_MAX];
	char path[CTL_NAME_MAX]; /* "" : none */
	bool follow;
};

struct conn;

struct ctl_request {
	struct conn *conn; /* NULL once it is gone: then the answer goes nowhere */
	struct ctl *ctl;
	struct ctl_call call;
	struct write *page; /* of sessions, on its way to the client */
	bool began;         /* something of the answer has gone out */
	size_t rows;
};

struct ctl {
	uv_pipe_t listener;
	struct list connections;
	size_t nconnections;
	size_t closing; /* handles that still wait for their close callback */
	bool stopping;
	const struct ctl_ops *ops;
	void *ctx;
};

/* --- ctl.c --- */

/* Writes one line, and with `last` closes when it has been taken. Takes `text` (malloc; not NULL). */
void conn_write(struct conn *c, char *text, size_t len, bool last);
/* A piece of the answer's one line, taken as well; then ops->next(). NULL: there was no memory for it. */
void ctl_reply_page(struct ctl_request *req, char *text, size_t len);
/* The last piece of it. Ends the request. */
void ctl_reply_end(struct ctl_request *req, char *text, size_t len);
/* Ends the request; takes `answer`. */
void ctl_reply(struct ctl_request *req, json_t *answer);
/* The connection becomes a follower of the records that `session` (NULL: all) selects; ends the request. */
void ctl_follow(struct ctl_request *req);

/* --- request.c --- */

/* False: *why says what is wrong with it. */
bool ctl_parse(struct ctl_call *out, const char *line, size_t len, char why[CTL_TEXT_MAX]);
void ctl_dispatch(struct ctl_request *req);
/* Does the record belong to what `session` names (NULL or "": everything)? */
bool ctl_selects(const char *session, const struct audit_record *r);
/* {"ok": true, "events": [...]} and the lines of a backlog; malloc, NULL without memory. */
char *ctl_events_text(const char *session, const struct audit_record *r, size_t n, bool lines, size_t *len);

/* --- find.c --- */

/* Is one found, neither none nor several? Else *why. `wanted` as it was asked for; NULL: the only one there is. */
bool find_is_one(const char *wanted, size_t found, char why[CTL_TEXT_MAX]);
/* Number of the path with that name or number, or -1 and *why. */
int find_path(const char *wanted, const struct session_info *s, char why[CTL_TEXT_MAX]);

/* --- json.c: new references, NULL without memory --- */

json_t *json_error(const char *text, enum reason reason, uint32_t retry_after_ms);
json_t *json_session_row(const struct session_info *s);   /* a line of `sessions` */
json_t *json_session_whole(const struct session_info *s); /* all of `show` */
json_t *json_status(const struct ctl_status *status, const struct counters *sum,
		    const uint64_t by_state[STATE_COUNT], const struct session_info *own);
