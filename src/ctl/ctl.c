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
#include "ctl/impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "audit/audit.h"
#include "base/log.h"

struct conn {
	struct list node;
	struct ctl *ctl;
	uv_pipe_t pipe;
	uv_timer_t timer;
	unsigned int handles;        /* not yet closed */
	struct ctl_request *request; /* waits for its answer */
	bool asked;                  /* the request has come: what follows it is not read */
	bool closing;
	bool following;
	char filter[CTL_NAME_MAX]; /* of a follower */
	uint64_t lost;             /* records a follower did not get and was not told of */
	size_t len;
	char line[CTL_LINE_MAX];
};

struct write {
	uv_write_t req;
	struct conn *conn;
	struct ctl_request *page; /* a page of this one's answer; NULL: something else, or it has ended */
	bool last;
	char *text;
};

/* --- lives --- */

static void ctl_maybe_free(struct ctl *c)
{
	if (c->stopping && c->closing == 0)
		free(c);
}

static void on_conn_handle_closed(uv_handle_t *h)
{
	struct conn *c = h->data;
	struct ctl *ctl = c->ctl;

	if (--c->handles == 0)
		free(c);
	ctl->closing--;
	ctl_maybe_free(ctl);
}

static void conn_close(struct conn *c)
{
	if (c->closing)
		return;
	c->closing = true;
	list_remove(&c->node);
	c->ctl->nconnections--;
	if (c->request)
		c->request->conn = NULL;
	c->request = NULL;
	c->ctl->closing += 2;
	uv_close((uv_handle_t *)&c->pipe, on_conn_handle_closed);
	uv_close((uv_handle_t *)&c->timer, on_conn_handle_closed);
}

static void on_timer(uv_timer_t *t)
{
	conn_close(t->data);
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
		conn_close(w->conn);
	free(w->text);
	free(w);
	if (page)
		page_next(page);
}

/* Answers what is on its way, or NULL: then the connection closes. Takes `text`. */
static struct write *write_text(struct conn *c, char *text, size_t len, bool line, bool last)
{
	static char newline[] = "\n";
	struct write *w = text && !c->closing ? calloc(1, sizeof(*w)) : NULL;
	uv_buf_t bufs[2] = { uv_buf_init(text, (unsigned int)len), uv_buf_init(newline, 1) };

	if (!w || len > UINT32_MAX / 2)
		goto failed;
	w->conn = c;
	w->last = last;
	w->text = text;
	w->req.data = w;
	if (last || !line)
		uv_timer_start(&c->timer, on_timer, CTL_IDLE_MS, 0);
	if (uv_write(&w->req, (uv_stream_t *)&c->pipe, bufs, line ? 2 : 1, on_written) == 0)
		return w;
failed:
	free(text);
	free(w);
	conn_close(c);
	return NULL;
}

void conn_write(struct conn *c, char *text, size_t len, bool last)
{
	write_text(c, text, len, true, last);
}

static void conn_write_json(struct conn *c, const json_t *o)
{
	char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;

	if (text)
		conn_write(c, text, strlen(text), true);
	else
		conn_close(c);
}

static struct conn *request_end(struct ctl_request *req)
{
	struct conn *c = req->conn;

	if (c)
		c->request = NULL;
	if (req->page)
		req->page->page = NULL;
	free(req);
	return c;
}

/* Where the answer has begun, nothing else can be said any more: that its line does not end tells the client. */
void ctl_reply(struct ctl_request *req, json_t *answer)
{
	const bool began = req->began;
	struct conn *c = request_end(req);

	if (c && began)
		conn_close(c);
	else if (c)
		conn_write_json(c, answer);
	json_decref(answer);
}

void ctl_reply_page(struct ctl_request *req, char *text, size_t len)
{
	req->began = true;
	if (req->conn)
		req->page = write_text(req->conn, text, len, false, false);
	else
		free(text);
	if (req->page)
		req->page->page = req;
	else
		page_next(req);
}

void ctl_reply_end(struct ctl_request *req, char *text, size_t len)
{
	struct conn *c = request_end(req);

	if (c)
		write_text(c, text, len, true, true);
	else
		free(text);
}

bool ctl_is_gone(const struct ctl_request *req)
{
	return !req->conn;
}

static void conn_refuse(struct conn *c, const char *why)
{
	json_t *o = json_error(why, REASON_NONE, 0);

	c->asked = true;
	conn_write_json(c, o);
	json_decref(o);
}

/* --- followers --- */

void ctl_follow(struct ctl_request *req)
{
	struct ctl *ctl = req->ctl;
	struct ctl_call call = req->call;
	struct conn *c = request_end(req);
	struct audit_record *recent = calloc(CTL_BACKLOG, sizeof(*recent));
	size_t n = recent ? ctl->ops->recent(ctl->ctx, recent, CTL_BACKLOG) : 0;
	size_t len = 0;
	char *text = recent ? ctl_events_text(call.session, recent, n, call.follow, &len) : NULL;

	free(recent);
	if (!text) {
		conn_close(c);
		return;
	}
	c->following = call.follow;
	strcpy(c->filter, call.session);
	conn_write(c, text, len, !call.follow);
}

static void follower_tell_lost(struct conn *c)
{
	char *text;
	int n = asprintf(&text, "{\"lost\":%llu}", (unsigned long long)c->lost);

	if (n < 0)
		return;
	c->lost = 0;
	conn_write(c, text, (size_t)n, false);
}

static void follower_write(struct conn *c, const struct audit_record *r)
{
	char *text = NULL;

	if (uv_stream_get_write_queue_size((uv_stream_t *)&c->pipe) < CTL_QUEUE_MAX)
		text = malloc(AUDIT_JSON_MAX);
	if (!text) {
		c->lost++;
		return;
	}
	if (c->lost)
		follower_tell_lost(c);
	if (c->closing)
		free(text);
	else
		conn_write(c, text, audit_json(text, r), false);
}

void ctl_event(struct ctl *ctl, const struct audit_record *r)
{
	struct list *pos, *tmp;

	list_for_each_safe(pos, tmp, &ctl->connections) {
		struct conn *c = container_of(pos, struct conn, node);

		if (c->following && ctl_selects(c->filter, r))
			follower_write(c, r);
	}
}

/* --- reading --- */

static void conn_request(struct conn *c, size_t len)
{
	struct ctl_request *req = calloc(1, sizeof(*req));
	char why[CTL_TEXT_MAX];

	c->asked = true;
	uv_timer_stop(&c->timer);
	if (!req) {
		conn_close(c);
		return;
	}
	if (!ctl_parse(&req->call, c->line, len, why)) {
		free(req);
		conn_refuse(c, why);
		return;
	}
	req->conn = c;
	req->ctl = c->ctl;
	c->request = req;
	ctl_dispatch(req);
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
	struct conn *c = h->data;

	(void)suggested;
	if (c->asked) /* only to notice the end */
		*buf = uv_buf_init(c->line, sizeof(c->line));
	else
		*buf = uv_buf_init(c->line + c->len, (unsigned int)(sizeof(c->line) - c->len));
}

/* The client has sent all it will: it may still read its answer, but a follower that does this has gone. */
static void conn_eof(struct conn *c)
{
	if (!c->asked && c->len)
		conn_request(c, c->len);
	else if (!c->asked || c->following)
		conn_close(c);
}

static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
	struct conn *c = stream->data;
	char *end;

	(void)buf;
	if (nread == UV_EOF) {
		uv_read_stop(stream);
		conn_eof(c);
		return;
	}
	if (nread < 0) {
		conn_close(c);
		return;
	}
	if (c->asked)
		return;
	end = memchr(c->line + c->len, '\n', (size_t)nread);
	c->len += (size_t)nread;
	if (end)
		conn_request(c, (size_t)(end - c->line));
	else if (c->len == sizeof(c->line))
		conn_refuse(c, "the request is longer than 64 KiB");
}

static bool reads_nothing(const struct conn *c)
{
	return !c->request && uv_stream_get_write_queue_size((const uv_stream_t *)&c->pipe) > 0;
}

/*
 * Who gives way to one more: the oldest that has asked nothing yet, else one that does not read what it asked for, else
 * the oldest follower. NULL: all wait for their answers.
 */
static struct conn *dispensable(const struct ctl *ctl)
{
	struct conn *deaf = NULL, *follower = NULL;
	const struct list *pos;

	list_for_each(pos, &ctl->connections) {
		struct conn *c = container_of(pos, struct conn, node);

		if (!c->asked)
			return c;
		if (!deaf && reads_nothing(c))
			deaf = c;
		if (!follower && c->following)
			follower = c;
	}
	return deaf ? deaf : follower;
}

static void make_room(const struct ctl *ctl)
{
	struct conn *c = ctl->nconnections < CTL_CONNECTIONS ? NULL : dispensable(ctl);

	if (c)
		conn_close(c);
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct ctl *ctl = listener->data;
	struct conn *c = status < 0 ? NULL : malloc(sizeof(*c));

	if (!c)
		return;
	memset(c, 0, offsetof(struct conn, line));
	c->ctl = ctl;
	c->handles = 2;
	uv_pipe_init(listener->loop, &c->pipe, 0);
	uv_timer_init(listener->loop, &c->timer);
	c->pipe.data = c;
	c->timer.data = c;
	make_room(ctl);
	list_append(&ctl->connections, &c->node);
	ctl->nconnections++;
	uv_timer_start(&c->timer, on_timer, CTL_IDLE_MS, 0);
	if (uv_accept(listener, (uv_stream_t *)&c->pipe) < 0)
		conn_close(c);
	else if (ctl->nconnections > CTL_CONNECTIONS)
		conn_refuse(c, "too many connections");
	else if (uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_read) < 0)
		conn_close(c);
}

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
	int err = uv_pipe_bind(&c->listener, path);

	umask(mask);
	return err < 0 ? err : uv_listen((uv_stream_t *)&c->listener, CTL_CONNECTIONS, on_connection);
}

static void on_listener_closed(uv_handle_t *h)
{
	struct ctl *c = h->data;

	c->closing--;
	ctl_maybe_free(c);
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
	list_init(&c->connections);
	c->ops = ops;
	c->ctx = ctx;
	err = uv_pipe_init(loop, &c->listener, 0);
	if (err < 0) {
		free(c);
		return err;
	}
	c->listener.data = c;
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
	struct list *pos, *tmp;

	c->stopping = true;
	c->closing++;
	uv_close((uv_handle_t *)&c->listener, on_listener_closed); /* removes the socket */
	list_for_each_safe(pos, tmp, &c->connections)
		conn_close(container_of(pos, struct conn, node));
}
