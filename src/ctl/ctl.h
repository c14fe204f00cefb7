/*
 * The control socket: a UNIX stream socket on the control loop (main thread, libuv).
 *
 * A client writes one JSON object on one line and gets one JSON object on one line back, then either side
 * closes; `events` with "follow" keeps writing records until the client closes. The socket is mode 0600, so
 * only the daemon's user and root get in. What the requests and answers hold is written in ctl.c.
 *
 *     {"command": "status" | "sessions" | "show" | "jump" | "terminate" | "rekey" | "events" | "reload",
 *      "session": "HEX or unambiguous beginning", "path": "NAME or NUMBER", "follow": true}
 *
 * Answers: {"ok": true, ...} or {"ok": false, "error": "text", "reason": "code"}.
 */
#pragma once

#include <uv.h>

#include "audit/record.h"
#include "ctl/status.h"
#include "session/counter.h"
#include "session/info.h"

enum {
	CTL_CONNECTIONS = 32,
	CTL_IDLE_MS = 10000,        /* for a request to come, and for its answer to be taken */
	CTL_QUEUE_MAX = 256 * 1024, /* bytes waiting for a follower before it loses records */
	CTL_BACKLOG = 256,          /* records that `events` shows from before it was called */
};

struct ctl;
struct ctl_request; /* one request waiting for its answer */

/*
 * What the daemon can do for the control socket. Every call takes the request and answers it exactly once,
 * now or later, on the control loop, with the ctl_answer_...() that fits it or with ctl_fail().
 */
struct ctl_ops {
	void (*status)(void *ctx, struct ctl_request *req); /* ctl_answer_status */
	/* All sessions, page by page: ctl_answer_page(). After each but the last the next one is asked for, once the client has
	 * taken it, or once he has gone: see ctl_is_gone(). */
	void (*sessions)(void *ctx, struct ctl_request *req);
	void (*next)(void *ctx, struct ctl_request *req);
	/* The sessions that `wanted` means (match_session(); NULL: all there are), two at most: ctl_answer_found(). */
	void (*find)(void *ctx, struct ctl_request *req, const char *wanted);
	/* An order to a session that was found. ctl_answer_done. */
	void (*jump)(void *ctx, struct ctl_request *req, const struct session_info *s, uint8_t path);
	void (*terminate)(void *ctx, struct ctl_request *req, const struct session_info *s);
	void (*rekey)(void *ctx, struct ctl_request *req, const struct session_info *s);
	void (*reload)(void *ctx, struct ctl_request *req); /* ctl_answer_done or ctl_fail */
	/* Writes up to `max` of the latest records, oldest first, and answers how many. */
	size_t (*recent)(void *ctx, struct audit_record *out, size_t max);
};

/* 0 or -errno, and *error (static or errno text) says what failed. The directory must exist. */
int ctl_start(struct ctl **out, uv_loop_t *loop, const char *socket_path, const struct ctl_ops *ops,
	      void *ctx, const char **error);
/* Closes every connection and removes the socket; done when the loop has run its close callbacks. */
void ctl_stop(struct ctl *c);

/* `own`: a client's session, or what it does to have one; NULL at a server. */
void ctl_answer_status(struct ctl_request *req, const struct ctl_status *status, const struct counters *sum,
		       const uint64_t by_state[STATE_COUNT], const struct session_info *own);
/* Ends the request when it is the last page; else ops->next() comes, perhaps before this returns. */
void ctl_answer_page(struct ctl_request *req, const struct session_info *sessions, size_t n, bool last);
/* Nobody waits for the answer any more. */
bool ctl_is_gone(const struct ctl_request *req);
void ctl_answer_found(struct ctl_request *req, const struct session_info *sessions, size_t n);
/* `note` (may be NULL) is a sentence for people: what was done, what needs a restart. */
void ctl_answer_done(struct ctl_request *req, const char *note);
/* `reason` may be REASON_NONE; retry_after_ms 0: no use to try again. */
void ctl_fail(struct ctl_request *req, enum reason reason, uint32_t retry_after_ms, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Called for every audit record as it is drained from the rings: feeds the followers of `events`. Never
 * blocks; a follower that does not read loses records and is told how many. */
void ctl_event(struct ctl *c, const struct audit_record *r);
