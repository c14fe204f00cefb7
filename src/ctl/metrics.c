/*
 * The least HTTP that a collector needs: one request a connection, whose head alone is read; one answer, and
 * the end. Connections, the head and every wait are bounded; a connection too many closes the oldest idle one.
 */
#include "ctl/metrics.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

#include "base/list.h"
#include "net/sockaddr.h"

enum {
	HEAD_MAX = 8192,
	CONNECTIONS = 16,
	IDLE_MS = 10000,  /* for the request to come and for the answer to be taken */
	LINGER_MS = 1000, /* for the other side to close: closing first could destroy the answer on its way */
};

struct metrics {
	uv_tcp_t listener;
	struct list connections;
	size_t nconnections;
	size_t closing; /* handles that still wait for their close callback */
	bool stopping;
	metrics_collect collect;
	void *ctx;
};

struct conn {
	struct list node;
	struct metrics *metrics;
	uv_tcp_t tcp;
	uv_timer_t timer;
	uv_write_t write;
	uv_shutdown_t shutdown;
	unsigned int handles;            /* not yet closed */
	struct metrics_request *request; /* waits for its answer */
	bool asked;                      /* the head has come: what follows it is not looked at */
	bool ended;                      /* the other side sends no more */
	bool answered;                   /* all of the answer is out, and our side is shut */
	bool closing;
	char *answer;
	size_t len;
	char head[HEAD_MAX];
};

struct metrics_request {
	struct conn *conn; /* NULL once it is gone */
};

/* --- lives --- */

static void maybe_free(struct metrics *m)
{
	if (m->stopping && m->closing == 0)
		free(m);
}

static void on_conn_handle_closed(uv_handle_t *h)
{
	struct conn *c = h->data;
	struct metrics *m = c->metrics;

	if (--c->handles == 0) {
		free(c->answer);
		free(c);
	}
	m->closing--;
	maybe_free(m);
}

static void conn_close(struct conn *c)
{
	if (c->closing)
		return;
	c->closing = true;
	list_remove(&c->node);
	c->metrics->nconnections--;
	if (c->request)
		c->request->conn = NULL;
	c->request = NULL;
	c->metrics->closing += 2;
	uv_close((uv_handle_t *)&c->tcp, on_conn_handle_closed);
	uv_close((uv_handle_t *)&c->timer, on_conn_handle_closed);
}

static void on_timer(uv_timer_t *t)
{
	conn_close(t->data);
}

/* Which one to close for a new one: the oldest that has sent no whole request yet, else the oldest of all. */
static struct conn *oldest(const struct metrics *m)
{
	const struct list *pos;

	list_for_each(pos, &m->connections) {
		struct conn *c = container_of(pos, struct conn, node);

		if (!c->asked)
			return c;
	}
	return container_of(m->connections.next, struct conn, node);
}

/* --- answers --- */

static void on_shutdown(uv_shutdown_t *req, int status)
{
	struct conn *c = req->data;

	c->answered = true;
	if (status < 0 || c->ended)
		conn_close(c);
}

static void on_written(uv_write_t *req, int status)
{
	struct conn *c = req->data;

	c->shutdown.data = c;
	if (c->closing)
		return;
	if (status < 0 || uv_shutdown(&c->shutdown, (uv_stream_t *)&c->tcp, on_shutdown) < 0)
		conn_close(c);
	else
		uv_timer_start(&c->timer, on_timer, LINGER_MS, 0);
}

/* Takes `body`. */
static void conn_answer(struct conn *c, const char *status, const char *header, char *body, size_t len)
{
	char *head = NULL;
	uv_buf_t buf;
	int n = asprintf(&head,
			 "HTTP/1.1 %s\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
			 "Content-Length: %zu\r\nConnection: close\r\n%s\r\n",
			 status, len, header);

	c->answer = n < 0 ? NULL : realloc(head, (size_t)n + len + 1);
	if (!c->answer) {
		if (n >= 0)
			free(head);
		free(body);
		conn_close(c);
		return;
	}
	memcpy(c->answer + n, body, len);
	free(body);
	buf = uv_buf_init(c->answer, (unsigned int)((size_t)n + len));
	c->write.data = c;
	uv_timer_start(&c->timer, on_timer, IDLE_MS, 0);
	if (uv_write(&c->write, (uv_stream_t *)&c->tcp, &buf, 1, on_written) < 0)
		conn_close(c);
}

static void conn_refuse(struct conn *c, const char *status, const char *header)
{
	char *body;
	int n = asprintf(&body, "%s\n", status);

	c->asked = true;
	if (n < 0)
		conn_close(c);
	else
		conn_answer(c, status, header, body, (size_t)n);
}

/* --- the text --- */

/* A label's value: backslash, quote and newline are escaped. */
static void label(FILE *f, const char *name, const char *value)
{
	fprintf(f, "%s=\"", name);
	for (; *value; value++) {
		if (*value == '\n')
			fputs("\\n", f);
		else if (*value == '\\' || *value == '"')
			fprintf(f, "\\%c", *value);
		else
			fputc(*value, f);
	}
	fputc('"', f);
}

static void family(FILE *f, const char *name, const char *type, const char *help)
{
	fprintf(f, "# HELP jumpvpn_%s %s\n# TYPE jumpvpn_%s %s\n", name, help, name, type);
}

static void gauge(FILE *f, const char *name, const char *help, unsigned long long value)
{
	family(f, name, "gauge", help);
	fprintf(f, "jumpvpn_%s %llu\n", name, value);
}

static void write_status(FILE *f, const struct ctl_status *st)
{
	family(f, "build_info", "gauge", "what runs here");
	fputs("jumpvpn_build_info{", f);
	label(f, "version", PACKAGE_VERSION);
	fputc(',', f);
	label(f, "role", st->role);
	fputc(',', f);
	label(f, "node", st->node_name);
	fputc(',', f);
	label(f, "crypto", st->crypto);
	fputs("} 1\n", f);
	family(f, "uptime_seconds", "gauge", "time since the daemon started");
	fprintf(f, "jumpvpn_uptime_seconds %llu.%03u\n", (unsigned long long)(st->uptime_ms / 1000),
		(unsigned int)(st->uptime_ms % 1000));
	gauge(f, "workers", "worker threads", st->workers);
	gauge(f, "config_generation", "configurations taken since the start", st->config_generation);
	gauge(f, "config_last_reload_ok", "0: the last reload was refused",
	      !st->last_reload || strncmp(st->last_reload, "ok", 2) == 0);
}

static void write_sessions(FILE *f, const struct metrics_data *d)
{
	family(f, "sessions", "gauge", "sessions by state");
	for (unsigned int i = 0; i < STATE_COUNT; i++)
		if (i != STATE_TERMINATED)
			fprintf(f, "jumpvpn_sessions{state=\"%s\"} %llu\n", state_name(i),
				(unsigned long long)d->sessions[i]);
	family(f, "switches_total", "counter", "sessions that moved to another path");
	fprintf(f, "jumpvpn_switches_total %llu\n", (unsigned long long)d->events[AUDIT_TRANSPORT_SWITCH]);
	family(f, "audit_events_total", "counter", "audit records by event");
	for (unsigned int i = 0; i < AUDIT_EVENT_COUNT; i++)
		fprintf(f, "jumpvpn_audit_events_total{event=\"%s\"} %llu\n", audit_event_name(i),
			(unsigned long long)d->events[i]);
}

static void write_counters(FILE *f, const struct counters *sum)
{
	char name[64];

	for (unsigned int i = 0; i < COUNTER_COUNT; i++) {
		snprintf(name, sizeof(name), "%s_total", counter_name(i));
		family(f, name, "counter", counter_text(i));
		fprintf(f, "jumpvpn_%s %llu\n", name, (unsigned long long)sum->n[i]);
	}
}

static char *text_of(const struct metrics_data *d, size_t *len)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, len);
	bool ok;

	if (!f)
		return NULL;
	write_status(f, d->status);
	write_sessions(f, d);
	write_counters(f, d->sum);
	ok = !ferror(f);
	if (fclose(f) == 0 && ok)
		return text;
	free(text);
	return NULL;
}

void metrics_answer(struct metrics_request *req, const struct metrics_data *data)
{
	struct conn *c = req->conn;
	size_t len = 0;
	char *text;

	free(req);
	if (!c)
		return;
	c->request = NULL;
	text = data ? text_of(data, &len) : NULL;
	if (text)
		conn_answer(c, "200 OK", "", text, len);
	else
		conn_refuse(c, "503 Service Unavailable", "Retry-After: 1\r\n");
}

/* --- requests --- */

static void collect(struct conn *c)
{
	struct metrics_request *req = calloc(1, sizeof(*req));

	if (!req) {
		conn_close(c);
		return;
	}
	req->conn = c;
	c->request = req;
	uv_timer_stop(&c->timer); /* starts again with the answer, which is sure to come */
	c->metrics->collect(c->metrics->ctx, req);
}

/* The head is whole, and ends with a NUL. */
static void conn_request(struct conn *c)
{
	char *method = c->head, *rest = NULL;
	char *target, *version;

	c->asked = true;
	method = strtok_r(method, " \r\n", &rest);
	target = strtok_r(NULL, " \r\n", &rest);
	version = strtok_r(NULL, " \r\n", &rest);
	if (!method || !target || !version || strncmp(version, "HTTP/1.", 7) != 0) {
		conn_refuse(c, "400 Bad Request", "");
		return;
	}
	target[strcspn(target, "?")] = '\0';
	if (strcmp(target, "/metrics") != 0)
		conn_refuse(c, "404 Not Found", "");
	else if (strcmp(method, "GET") != 0)
		conn_refuse(c, "405 Method Not Allowed", "Allow: GET\r\n");
	else
		collect(c);
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
	struct conn *c = h->data;

	(void)suggested;
	if (c->asked) /* only to notice the end */
		*buf = uv_buf_init(c->head, sizeof(c->head));
	else
		*buf = uv_buf_init(c->head + c->len, (unsigned int)(sizeof(c->head) - 1 - c->len));
}

static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
	struct conn *c = stream->data;

	(void)buf;
	if (nread < 0) {
		/* Who has asked may shut his side down and still read. */
		c->ended = true;
		if (nread == UV_EOF && c->asked && !c->answered)
			uv_read_stop(stream);
		else
			conn_close(c);
		return;
	}
	if (c->asked)
		return;
	c->len += (size_t)nread;
	c->head[c->len] = '\0';
	if (strlen(c->head) != c->len)
		conn_refuse(c, "400 Bad Request", "");
	else if (strstr(c->head, "\r\n\r\n") || strstr(c->head, "\n\n"))
		conn_request(c);
	else if (c->len == sizeof(c->head) - 1)
		conn_refuse(c, "431 Request Header Fields Too Large", "");
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct metrics *m = listener->data;
	struct conn *c = status < 0 ? NULL : malloc(sizeof(*c));

	if (!c)
		return;
	memset(c, 0, offsetof(struct conn, head));
	c->metrics = m;
	c->handles = 2;
	uv_tcp_init(listener->loop, &c->tcp);
	uv_timer_init(listener->loop, &c->timer);
	c->tcp.data = c;
	c->timer.data = c;
	if (m->nconnections == CONNECTIONS)
		conn_close(oldest(m));
	list_append(&m->connections, &c->node);
	m->nconnections++;
	uv_timer_start(&c->timer, on_timer, IDLE_MS, 0);
	if (uv_accept(listener, (uv_stream_t *)&c->tcp) < 0 ||
	    uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) < 0)
		conn_close(c);
}

/* --- start and stop --- */

/* The address may come later than the daemon; where this is refused, it may not. */
static void bind_early(struct metrics *m, bool v4)
{
	const int on = 1;
	int fd;

	if (uv_fileno((uv_handle_t *)&m->listener, &fd) == 0)
		(void)setsockopt(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_FREEBIND : IPV6_FREEBIND, &on,
				 sizeof(on));
}

static int listen_on(struct metrics *m, const struct endpoint *e)
{
	const bool v4 = ip_is_v4(&e->ip);
	union sockaddr_any a;
	int rc;

	sockaddr_from(&a, e);
	bind_early(m, v4);
	rc = uv_tcp_bind(&m->listener, &a.sa, v4 ? 0 : UV_TCP_IPV6ONLY);
	return rc < 0 ? rc : uv_listen((uv_stream_t *)&m->listener, CONNECTIONS, on_connection);
}

int metrics_start(struct metrics **out, uv_loop_t *loop, const struct endpoint *listen,
		  metrics_collect collect_fn, void *ctx)
{
	struct metrics *m = calloc(1, sizeof(*m));
	int rc;

	if (!m)
		return -ENOMEM;
	list_init(&m->connections);
	m->collect = collect_fn;
	m->ctx = ctx;
	rc = uv_tcp_init_ex(loop, &m->listener, ip_is_v4(&listen->ip) ? AF_INET : AF_INET6);
	if (rc < 0) {
		free(m);
		return rc;
	}
	m->listener.data = m;
	rc = listen_on(m, listen);
	if (rc < 0) {
		metrics_stop(m);
		return rc;
	}
	*out = m;
	return 0;
}

uint16_t metrics_port(const struct metrics *m)
{
	struct sockaddr_in6 a; /* the port stands in the same place for IPv4 */
	int len = sizeof(a);

	return uv_tcp_getsockname(&m->listener, (struct sockaddr *)&a, &len) < 0 ? 0 : ntohs(a.sin6_port);
}

static void on_listener_closed(uv_handle_t *h)
{
	struct metrics *m = h->data;

	m->closing--;
	maybe_free(m);
}

void metrics_stop(struct metrics *m)
{
	struct list *pos, *tmp;

	if (!m)
		return;
	m->stopping = true;
	m->closing++;
	uv_close((uv_handle_t *)&m->listener, on_listener_closed);
	list_for_each_safe(pos, tmp, &m->connections)
		conn_close(container_of(pos, struct conn, node));
}
