/*
 * The control socket: connections and their lives.
 *
 * A request is one line, a JSON object with "command" and what the table in request.c allows beside it. Answers:
 *
 *     status              {"ok": true, "daemon": {...}, "counters": {...}, "session": as in `show`, or null,
 *                          "sessions": {"total": N, "by_state": {...}}}; a client's own session
 *     sessions            {"ok": true, "sessions": [{...}, ...]}
 *     show                {"ok": true, "session": {...}}
 *     jump, terminate, rekey,
 *     reload              {"ok": true, "note": "text"}
 *     events              {"ok": true, "events": [audit record, ...]}
 *     events with follow  {"ok": true, "follow": true}, then one audit record a line; {"lost": N} stands where
 *                         N records are missing because the follower did not read
 *     refused             {"ok": false, "error": "text", "reason": "code", "retry_after_ms": N}
 *
 * "session" may be the beginning of an ID, or a peer that has one session; it may be left out where there is
 * only one session. Everything is bounded: line, connections, waiting, queue of a follower. A connection too many
 * takes the place of one that keeps it for nothing.
 */
#include "ctl/ctl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "audit/encode.h"
#include "base/log.h"
#include "ctl/conn.h"
#include "ctl/find.h"
#include "ctl/json.h"
#include "ctl/request.h"

struct ctl {
	struct conn_set set;
	const struct ctl_ops *ops;
	void *ctx;
};

struct client {
	struct conn conn;
	struct ctl_request *request; /* waits for its answer */
	bool following;
	char filter[REQUEST_NAME_MAX]; /* of a follower */
	uint64_t lost;                 /* records a follower did not get and was not told of */
};

struct ctl_request {
	struct client *client; /* NULL once it is gone: then the answer goes nowhere */
	struct ctl *ctl;
	struct request call;
	struct write *page; /* of sessions, on its way to the client */
	bool began;         /* something of the answer has gone out */
	size_t rows;
};

struct write {
	uv_write_t req;
	struct client *client;
	struct ctl_request *page; /* a page of this one's answer; NULL: something else, or it has ended */
	bool last;
	char *text;
};

static struct client *client_of(struct conn *c)
{
	return container_of(c, struct client, conn);
}

static void closing(struct conn *c)
{
	struct client *cl = client_of(c);

	if (cl->request)
		cl->request->client = NULL;
	cl->request = NULL;
}

static void gone(struct conn_set *set)
{
	free(container_of(set, struct ctl, set));
}

/* --- writing --- */

static void page_next(struct ctl_request *req)
{
	req->page = NULL;
	req->ctl->ops->next(req->ctl->ctx, req);
}

static void on_written(uv_write_t *req, int status)
{
	struct write *w = req->data;
	struct ctl_request *page = w->page;

	if (status < 0 || w->last)
		conn_close(&w->client->conn);
	free(w->text);
	free(w);
	if (page)
		page_next(page);
}

/* Answers what is on its way, or NULL: then the connection closes. Takes `text`. */
static struct write *write_text(struct client *c, char *text, size_t len, bool line, bool last)
{
	static char newline[] = "\n";
	struct write *w = text && !c->conn.closing ? calloc(1, sizeof(*w)) : NULL;
	uv_buf_t bufs[2] = { uv_buf_init(text, (unsigned int)len), uv_buf_init(newline, 1) };

	if (!w || len > UINT32_MAX / 2)
		goto failed;
	w->client = c;
	w->last = last;
	w->text = text;
	w->req.data = w;
	if (last || !line)
		conn_bound(&c->conn, CTL_IDLE_MS);
	if (uv_write(&w->req, &c->conn.handle.stream, bufs, line ? 2 : 1, on_written) == 0)
		return w;
failed:
	free(text);
	free(w);
	conn_close(&c->conn);
	return NULL;
}

static void write_line(struct client *c, char *text, size_t len, bool last)
{
	write_text(c, text, len, true, last);
}

static void write_json(struct client *c, const json_t *o)
{
	char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;

	if (text)
		write_line(c, text, strlen(text), true);
	else
		conn_close(&c->conn);
}

static struct client *request_end(struct ctl_request *req)
{
	struct client *c = req->client;

	if (c)
		c->request = NULL;
	if (req->page)
		req->page->page = NULL;
	free(req);
	return c;
}

/* Where the answer has begun, nothing else can be said any more: that its line does not end tells the client. */
static void reply(struct ctl_request *req, json_t *answer)
{
	const bool began = req->began;
	struct client *c = request_end(req);

	if (c && began)
		conn_close(&c->conn);
	else if (c)
		write_json(c, answer);
	json_decref(answer);
}

static void reply_page(struct ctl_request *req, char *text, size_t len)
{
	req->began = true;
	if (req->client)
		req->page = write_text(req->client, text, len, false, false);
	else
		free(text);
	if (req->page)
		req->page->page = req;
	else
		page_next(req);
}

static void reply_end(struct ctl_request *req, char *text, size_t len)
{
	struct client *c = request_end(req);

	if (c)
		write_text(c, text, len, true, true);
	else
		free(text);
}

bool ctl_is_gone(const struct ctl_request *req)
{
	return !req->client;
}

static void refuse(struct client *c, const char *why)
{
	json_t *o = json_error(why, REASON_NONE, 0);

	c->conn.asked = true;
	write_json(c, o);
	json_decref(o);
}

/* --- followers --- */

static void follow(struct ctl_request *req)
{
	struct ctl *ctl = req->ctl;
	struct request call = req->call;
	struct client *c = request_end(req);
	struct audit_record *recent = calloc(CTL_BACKLOG, sizeof(*recent));
	size_t n = recent ? ctl->ops->recent(ctl->ctx, recent, CTL_BACKLOG) : 0;
	size_t len = 0;
	char *text = recent ? request_events(call.session, recent, n, call.follow, &len) : NULL;

	free(recent);
	if (!text) {
		conn_close(&c->conn);
		return;
	}
	c->following = call.follow;
	strcpy(c->filter, call.session);
	write_line(c, text, len, !call.follow);
}

static void follower_tell_lost(struct client *c)
{
	char *text;
	int n = asprintf(&text, "{\"lost\":%llu}", (unsigned long long)c->lost);

	if (n < 0)
		return;
	c->lost = 0;
	write_line(c, text, (size_t)n, false);
}

static void follower_write(struct client *c, const struct audit_record *r)
{
	char *text = NULL;

	if (uv_stream_get_write_queue_size(&c->conn.handle.stream) < CTL_QUEUE_MAX)
		text = malloc(AUDIT_JSON_MAX);
	if (!text) {
		c->lost++;
		return;
	}
	if (c->lost)
		follower_tell_lost(c);
	if (c->conn.closing)
		free(text);
	else
		write_line(c, text, encode_json(text, r), false);
}

void ctl_event(struct ctl *ctl, const struct audit_record *r)
{
	struct list *pos, *tmp;

	list_for_each_safe(pos, tmp, &ctl->set.connections) {
		struct client *c = client_of(container_of(pos, struct conn, node));

		if (c->following && request_selects(c->filter, r))
			follower_write(c, r);
	}
}

/* --- requests --- */

static const char *wanted(const struct ctl_request *req)
{
	return req->call.has_session ? req->call.session : NULL;
}

static void dispatch(struct ctl_request *req)
{
	const struct ctl_ops *ops = req->ctl->ops;
	void *ctx = req->ctl->ctx;

	switch (req->call.command) {
	case CTL_STATUS:
		ops->status(ctx, req);
		break;
	case CTL_SESSIONS:
		ops->sessions(ctx, req);
		break;
	case CTL_SHOW:
	case CTL_JUMP:
	case CTL_TERMINATE:
	case CTL_REKEY:
		ops->find(ctx, req, wanted(req)); /* ctl_answer_found() goes on */
		break;
	case CTL_EVENTS:
		follow(req);
		break;
	case CTL_RELOAD:
		ops->reload(ctx, req);
		break;
	}
}

static void asked(struct client *c, size_t len)
{
	struct ctl_request *req = calloc(1, sizeof(*req));
	char why[REQUEST_TEXT_MAX];

	c->conn.asked = true;
	conn_bound(&c->conn, 0);
	if (!req) {
		conn_close(&c->conn);
		return;
	}
	if (!request_parse(&req->call, c->conn.in, len, why)) {
		free(req);
		refuse(c, why);
		return;
	}
	req->client = c;
	req->ctl = container_of(c->conn.set, struct ctl, set);
	c->request = req;
	dispatch(req);
}

static void has_read(struct conn *c, size_t n)
{
	const char *end = memchr(c->in + c->len - n, '\n', n);

	if (end)
		asked(client_of(c), (size_t)(end - c->in));
	else if (c->len == REQUEST_LINE_MAX)
		refuse(client_of(c), "the request is longer than 64 KiB");
}

/* The client has sent all it will: it may still read its answer, but a follower that does this has gone. */
static void ended(struct conn *c, bool whole)
{
	if (!whole) {
		conn_close(c);
		return;
	}
	uv_read_stop(&c->handle.stream);
	if (!c->asked && c->len)
		asked(client_of(c), c->len);
	else if (!c->asked || client_of(c)->following)
		conn_close(c);
}

/* --- answers --- */

void ctl_fail(struct ctl_request *req, enum reason reason, uint32_t retry_after_ms, const char *fmt, ...)
{
	char text[REQUEST_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	reply(req, json_error(text, reason, retry_after_ms));
}

void ctl_answer_done(struct ctl_request *req, const char *note)
{
	reply(req, note ? json_pack("{s:b, s:s}", "ok", 1, "note", note) : json_pack("{s:b}", "ok", 1));
}

void ctl_answer_status(struct ctl_request *req, const struct ctl_status *status, const struct counters *sum,
		       const uint64_t by_state[STATE_COUNT], const struct session_info *own)
{
	reply(req, json_status(status, sum, by_state, own));
}

void ctl_answer_page(struct ctl_request *req, const struct session_info *sessions, size_t n, bool last)
{
	size_t len = 0;
	char *text = ctl_is_gone(req) ? NULL : request_page(sessions, n, req->began, last, &req->rows, &len);

	if (last)
		reply_end(req, text, len);
	else
		reply_page(req, text, len);
}

static void jump(struct ctl_request *req, const struct session_info *s)
{
	char why[REQUEST_TEXT_MAX];
	int path = find_path(req->call.path, s, why);

	if (path < 0)
		ctl_fail(req, REASON_INVALID_TRANSPORT_CANDIDATE, 0, "%s", why);
	else
		req->ctl->ops->jump(req->ctl->ctx, req, s, (uint8_t)path);
}

void ctl_answer_found(struct ctl_request *req, const struct session_info *s, size_t n)
{
	char why[REQUEST_TEXT_MAX];

	if (ctl_is_gone(req))
		reply(req, NULL); /* nobody asks any more: nothing is done */
	else if (!find_is_one(wanted(req), n, why))
		ctl_fail(req, REASON_NONE, 0, "%s", why);
	else if (req->call.command == CTL_SHOW)
		reply(req, json_pack("{s:b, s:o}", "ok", 1, "session", json_session_whole(s)));
	else if (req->call.command == CTL_JUMP)
		jump(req, s);
	else if (req->call.command == CTL_REKEY)
		req->ctl->ops->rekey(req->ctl->ctx, req, s);
	else
		req->ctl->ops->terminate(req->ctl->ctx, req, s);
}

/* --- connections --- */

static bool reads_nothing(const struct client *c)
{
	return !c->request && uv_stream_get_write_queue_size(&c->conn.handle.stream) > 0;
}

/*
 * Who gives way to one more: the oldest that has asked nothing yet, else one that does not read what it asked for, else
 * the oldest follower. NULL: all wait for their answers.
 */
static struct conn *dispensable(const struct conn_set *set)
{
	struct conn *deaf = NULL, *follower = NULL;
	const struct list *pos;

	list_for_each(pos, &set->connections) {
		struct conn *c = container_of(pos, struct conn, node);

		if (!c->asked)
			return c;
		if (!deaf && reads_nothing(client_of(c)))
			deaf = c;
		if (!follower && client_of(c)->following)
			follower = c;
	}
	return deaf ? deaf : follower;
}

static void too_many(struct conn *c)
{
	refuse(client_of(c), "too many connections");
}

static const struct conn_kind kind = {
	.size = sizeof(struct client),
	.room = REQUEST_LINE_MAX,
	.most = CTL_CONNECTIONS,
	.idle_ms = CTL_IDLE_MS,
	.dispensable = dispensable,
	.too_many = too_many,
	.read = has_read,
	.ended = ended,
	.closing = closing,
};

/* --- start and stop --- */

/* Does a daemon answer on the socket, or did one that died leave it behind? */
static int probe_socket(const struct sockaddr_un *sun)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int err;

	if (fd < 0)
		return -errno;
	err = connect(fd, (const struct sockaddr *)sun, sizeof(*sun)) == 0 ? -EADDRINUSE : -errno;
	close(fd);
	return err == -EAGAIN ? -EADDRINUSE : err;
}

static int remove_stale(const struct sockaddr_un *sun, const char **error)
{
	struct stat st;
	int err;

	*error = "cannot look at the control socket";
	if (lstat(sun->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode)) {
		*error = "there is a file in the place of the control socket";
		return -EEXIST;
	}
	err = probe_socket(sun);
	if (err == -EADDRINUSE)
		*error = "another daemon answers on the control socket";
	if (err == -ENOENT)
		return 0;
	if (err != -ECONNREFUSED)
		return err;
	log_info("control socket %s was left behind by a daemon that died: removed", sun->sun_path);
	*error = "cannot remove the old control socket";
	return unlink(sun->sun_path) < 0 ? -errno : 0;
}

static int make_address(struct sockaddr_un *sun, const char *path, const char **error)
{
	*sun = (struct sockaddr_un){ .sun_family = AF_UNIX };
	*error = "the path of the control socket is too long";
	if (strlen(path) >= sizeof(sun->sun_path))
		return -ENAMETOOLONG;
	strcpy(sun->sun_path, path);
	return 0;
}

/* libuv would call a missing directory a missing permission. */
static int check_directory(const char *path, const char **error)
{
	const char *slash = strrchr(path, '/');
	char dir[sizeof(((struct sockaddr_un *)0)->sun_path)];

	if (!slash || slash == path)
		return 0;
	memcpy(dir, path, (size_t)(slash - path));
	dir[slash - path] = '\0';
	*error = "cannot reach the directory of the control socket";
	return access(dir, X_OK) < 0 ? -errno : 0;
}

static int listen_on(struct ctl *c, const char *path)
{
	mode_t mask = umask(0177); /* the socket is 0600 from its first moment */
	int err = uv_pipe_bind(&c->set.listener.pipe, path);

	umask(mask);
	return err < 0 ? err : conn_listen(&c->set);
}

int ctl_start(struct ctl **out, uv_loop_t *loop, const char *socket_path, const struct ctl_ops *ops,
	      void *ctx, const char **error)
{
	struct sockaddr_un sun;
	struct ctl *c;
	int err = make_address(&sun, socket_path, error);

	if (!err)
		err = check_directory(socket_path, error);
	if (!err)
		err = remove_stale(&sun, error);
	if (err)
		return err;
	*error = "cannot open the control socket";
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	conn_init(&c->set, &kind, gone);
	c->ops = ops;
	c->ctx = ctx;
	err = uv_pipe_init(loop, &c->set.listener.pipe, 0);
	if (err < 0) {
		free(c);
		return err;
	}
	err = listen_on(c, socket_path);
	if (err < 0) {
		ctl_stop(c);
		return err;
	}
	*out = c;
	*error = NULL;
	return 0;
}

void ctl_stop(struct ctl *c)
{
	conn_stop(&c->set); /* removes the socket */
}
