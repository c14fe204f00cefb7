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

#include "ctl/conn.h"
#include "net/sockaddr.h"

enum {
	HEAD_MAX = 8192,
	CONNECTIONS = 16,
	IDLE_MS = 10000,  /* for the request to come and for the answer to be taken */
	LINGER_MS = 1000, /* for the other side to close: closing first could destroy the answer on its way */
};

struct metrics {
	struct conn_set set;
	metrics_collect collect;
	void *ctx;
};

struct metrics_request {
	struct scraper *scraper; /* NULL once it is gone */
};

struct scraper {
	struct conn conn;
	uv_write_t write;
	uv_shutdown_t shutdown;
	struct metrics_request *request; /* waits for its answer */
	bool ended;                      /* the other side sends no more */
	bool answered;                   /* all of the answer is out, and our side is shut */
	char *answer;
};

/* --- lives --- */

static struct scraper *scraper_of(struct conn *c)
{
	return container_of(c, struct scraper, conn);
}

static void closing(struct conn *c)
{
	struct scraper *s = scraper_of(c);

	if (s->request)
		s->request->scraper = NULL;
	s->request = NULL;
}

static void freed(struct conn *c)
{
	free(scraper_of(c)->answer);
}

static void gone(struct conn_set *set)
{
	free(container_of(set, struct metrics, set));
}

/* Which one to close for a new one: the oldest that has sent no whole request yet, else the oldest of all. */
static struct conn *oldest(const struct conn_set *set)
{
	const struct list *pos;

	list_for_each(pos, &set->connections) {
		struct conn *c = container_of(pos, struct conn, node);

		if (!c->asked)
			return c;
	}
	return container_of(set->connections.next, struct conn, node);
}

/* --- answers --- */

static void on_shutdown(uv_shutdown_t *req, int status)
{
	struct scraper *s = req->data;

	s->answered = true;
	if (status < 0 || s->ended)
		conn_close(&s->conn);
}

static void on_written(uv_write_t *req, int status)
{
	struct scraper *s = req->data;

	s->shutdown.data = s;
	if (s->conn.closing)
		return;
	if (status < 0 || uv_shutdown(&s->shutdown, &s->conn.handle.stream, on_shutdown) < 0)
		conn_close(&s->conn);
	else
		conn_bound(&s->conn, LINGER_MS);
}

/* Takes `body`. */
static void reply(struct scraper *s, const char *status, const char *header, char *body, size_t len)
{
	char *head = NULL;
	uv_buf_t buf;
	int n = asprintf(&head,
			 "HTTP/1.1 %s\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
			 "Content-Length: %zu\r\nConnection: close\r\n%s\r\n",
			 status, len, header);

	s->answer = n < 0 ? NULL : realloc(head, (size_t)n + len + 1);
	if (!s->answer) {
		if (n >= 0)
			free(head);
		free(body);
		conn_close(&s->conn);
		return;
	}
	memcpy(s->answer + n, body, len);
	free(body);
	buf = uv_buf_init(s->answer, (unsigned int)((size_t)n + len));
	s->write.data = s;
	conn_bound(&s->conn, IDLE_MS);
	if (uv_write(&s->write, &s->conn.handle.stream, &buf, 1, on_written) < 0)
		conn_close(&s->conn);
}

static void refuse(struct scraper *s, const char *status, const char *header)
{
	char *body;
	int n = asprintf(&body, "%s\n", status);

	s->conn.asked = true;
	if (n < 0)
		conn_close(&s->conn);
	else
		reply(s, status, header, body, (size_t)n);
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
	uint64_t n = 0;

	for (unsigned int i = 0; i < STATE_COUNT; i++)
		n += d->sessions[i];
	family(f, "sessions", "gauge", "sessions by state");
	for (unsigned int i = 0; i < STATE_COUNT; i++)
		if (i != STATE_TERMINATED)
			fprintf(f, "jumpvpn_sessions{state=\"%s\"} %llu\n", state_name(i),
				(unsigned long long)d->sessions[i]);
	if (d->status->max_sessions)
		gauge(f, "max_sessions", "sessions that a server may have", d->status->max_sessions);
	gauge(f, "session_memory_bytes", "memory of all sessions", d->status->session_bytes);
	gauge(f, "session_bytes", "the same of one session, on average",
	      n > 0 ? d->status->session_bytes / n : 0);
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
	struct scraper *s = req->scraper;
	size_t len = 0;
	char *text;

	free(req);
	if (!s)
		return;
	s->request = NULL;
	text = data ? text_of(data, &len) : NULL;
	if (text)
		reply(s, "200 OK", "", text, len);
	else
		refuse(s, "503 Service Unavailable", "Retry-After: 1\r\n");
}

/* --- requests --- */

static void collect(struct scraper *s)
{
	struct metrics *m = container_of(s->conn.set, struct metrics, set);
	struct metrics_request *req = calloc(1, sizeof(*req));

	if (!req) {
		conn_close(&s->conn);
		return;
	}
	req->scraper = s;
	s->request = req;
	conn_bound(&s->conn, 0); /* starts again with the answer, which is sure to come */
	m->collect(m->ctx, req);
}

/* The head is whole, and ends with a NUL. */
static void asked(struct scraper *s)
{
	char *method = s->conn.in, *rest = NULL;
	char *target, *version;

	s->conn.asked = true;
	method = strtok_r(method, " \r\n", &rest);
	target = strtok_r(NULL, " \r\n", &rest);
	version = strtok_r(NULL, " \r\n", &rest);
	if (!method || !target || !version || strncmp(version, "HTTP/1.", 7) != 0) {
		refuse(s, "400 Bad Request", "");
		return;
	}
	target[strcspn(target, "?")] = '\0';
	if (strcmp(target, "/metrics") != 0)
		refuse(s, "404 Not Found", "");
	else if (strcmp(method, "GET") != 0)
		refuse(s, "405 Method Not Allowed", "Allow: GET\r\n");
	else
		collect(s);
}

static void has_read(struct conn *c, size_t n)
{
	struct scraper *s = scraper_of(c);

	(void)n;
	c->in[c->len] = '\0';
	if (strlen(c->in) != c->len)
		refuse(s, "400 Bad Request", "");
	else if (strstr(c->in, "\r\n\r\n") || strstr(c->in, "\n\n"))
		asked(s);
	else if (c->len == HEAD_MAX - 1)
		refuse(s, "431 Request Header Fields Too Large", "");
}

/* A client may shut down its sending side behind the request, and still read the answer. */
static void ended(struct conn *c, bool whole)
{
	struct scraper *s = scraper_of(c);

	s->ended = true;
	if (whole && c->asked && !s->answered)
		uv_read_stop(&c->handle.stream);
	else
		conn_close(c);
}

static const struct conn_kind kind = {
	.size = sizeof(struct scraper),
	.room = HEAD_MAX - 1,
	.most = CONNECTIONS,
	.idle_ms = IDLE_MS,
	.dispensable = oldest,
	.read = has_read,
	.ended = ended,
	.closing = closing,
	.freed = freed,
};

/* --- start and stop --- */

/* The address may come later than the daemon; where this is refused, it may not. */
static void bind_early(struct metrics *m, bool v4)
{
	const int on = 1;
	int fd;

	if (uv_fileno(&m->set.listener.handle, &fd) == 0)
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
	rc = uv_tcp_bind(&m->set.listener.tcp, &a.sa, v4 ? 0 : UV_TCP_IPV6ONLY);
	return rc < 0 ? rc : conn_listen(&m->set);
}

int metrics_start(struct metrics **out, uv_loop_t *loop, const struct endpoint *listen,
		  metrics_collect collect_fn, void *ctx)
{
	struct metrics *m = calloc(1, sizeof(*m));
	int rc;

	if (!m)
		return -ENOMEM;
	conn_init(&m->set, &kind, gone);
	m->collect = collect_fn;
	m->ctx = ctx;
	rc = uv_tcp_init_ex(loop, &m->set.listener.tcp, ip_is_v4(&listen->ip) ? AF_INET : AF_INET6);
	if (rc < 0) {
		free(m);
		return rc;
	}
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

	return uv_tcp_getsockname(&m->set.listener.tcp, (struct sockaddr *)&a, &len) < 0 ? 0
											 : ntohs(a.sin6_port);
}

void metrics_stop(struct metrics *m)
{
	if (m)
		conn_stop(&m->set);
}
