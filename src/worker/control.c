#include "worker/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "ctl/notify.h"
#include "worker/daemon.h"

enum gather_kind { GATHER_STATUS, GATHER_SESSIONS, GATHER_ORDER, GATHER_RELOAD };

/* One question to all workers, until the last has answered. */
struct gather {
	enum gather_kind kind;
	struct ctl_request *req;
	uint32_t waiting;
	bool answered;               /* an order: the worker that has the session spoke */
	struct worker_report *reports; /* one for each worker */
	char *note;
};

static struct gather *gather_new(struct daemon *d, enum gather_kind kind, struct ctl_request *req)
{
	struct gather *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->kind = kind;
	g->req = req;
	g->reports = calloc(d->nworkers, sizeof(*g->reports));
	if (g->reports)
		return g;
	free(g);
	return NULL;
}

static void gather_free(struct daemon *d, struct gather *g)
{
	for (uint32_t i = 0; i < d->nworkers; i++)
		free(g->reports[i].sessions);
	free(g->reports);
	free(g->note);
	free(g);
}

/* Asks every worker; m->gather and the like are filled here. False: nobody was asked. */
static bool ask_all(struct daemon *d, struct gather *g, struct message *m)
{
	for (uint32_t i = 0; i < d->nworkers; i++) {
		m->gather = g;
		m->token = (uint64_t)(uintptr_t)g;
		m->report = &g->reports[i];
		m->worker = i;
		g->waiting += worker_post(&d->workers[i], m);
	}
	return g->waiting > 0;
}

static void ask(struct daemon *d, enum gather_kind kind, struct ctl_request *req, struct message *m)
{
	struct gather *g = d->quitting ? NULL : gather_new(d, kind, req);

	if (g && ask_all(d, g, m))
		return;
	if (g)
		gather_free(d, g);
	ctl_fail(req, REASON_NONE, 0, d->quitting ? "the daemon is ending" : "the workers are busy; try again");
}

/* --- requests --- */

static void op_status(void *ctx, struct ctl_request *req)
{
	struct message m = { .kind = MESSAGE_INFO };

	ask(ctx, GATHER_STATUS, req, &m);
}

static void op_sessions(void *ctx, struct ctl_request *req)
{
	struct message m = { .kind = MESSAGE_INFO };

	ask(ctx, GATHER_SESSIONS, req, &m);
}

static void op_jump(void *ctx, struct ctl_request *req, const uint8_t id[16], uint8_t path)
{
	struct message m = { .kind = MESSAGE_JUMP, .path = path };

	memcpy(m.id, id, sizeof(m.id));
	ask(ctx, GATHER_ORDER, req, &m);
}

static void op_terminate(void *ctx, struct ctl_request *req, const uint8_t id[16])
{
	struct message m = { .kind = MESSAGE_TERMINATE };

	memcpy(m.id, id, sizeof(m.id));
	ask(ctx, GATHER_ORDER, req, &m);
}

static void op_reload(void *ctx, struct ctl_request *req)
{
	control_reload(ctx, req);
}

static size_t op_recent(void *ctx, struct audit_record *out, size_t max)
{
	const struct daemon *d = ctx;
	uint64_t n = d->nrecent < DAEMON_RECENT ? d->nrecent : DAEMON_RECENT;

	if (n > max)
		n = max;
	for (uint64_t i = 0; i < n; i++)
		out[i] = d->recent[(d->nrecent - n + i) % DAEMON_RECENT];
	return (size_t)n;
}

const struct ctl_ops control_ops = {
	.status = op_status,
	.sessions = op_sessions,
	.jump = op_jump,
	.terminate = op_terminate,
	.reload = op_reload,
	.recent = op_recent,
};

/* --- answers --- */

static struct session_info *merge(const struct daemon *d, const struct gather *g, struct counters *sum, size_t *n)
{
	struct session_info *all;
	size_t total = 0;

	*n = 0;
	memset(sum, 0, sizeof(*sum));
	for (uint32_t i = 0; i < d->nworkers; i++) {
		total += g->reports[i].n;
		for (unsigned int c = 0; c < COUNTER_COUNT; c++)
			sum->n[c] += g->reports[i].counters.n[c];
	}
	all = calloc(total + 1, sizeof(*all));
	if (!all)
		return NULL;
	for (uint32_t i = 0; i < d->nworkers; i++) {
		if (g->reports[i].n)
			memcpy(all + *n, g->reports[i].sessions, g->reports[i].n * sizeof(*all));
		*n += g->reports[i].n;
	}
	return all;
}

static const char *offloads(const struct daemon *d)
{
	if (d->nworkers == 1)
		return "one worker: nothing to steer";
	return d->steered ? "datagrams steered to their worker by classic BPF" :
		"no steering: datagrams are handed over between workers";
}

static void answer_report(struct daemon *d, struct gather *g)
{
	struct ctl_status st = {
		.role = d->config->role == ROLE_SERVER ? "server" : "client",
		.node_name = d->config->node_name,
		.node_id = d->config->node_id,
		.config_file = d->config_file,
		.config_generation = d->config->generation,
		.uptime_ms = time_since_ms(worker_now(), d->started),
		.workers = d->nworkers,
		.tunnel = d->tunnel_name,
		.crypto = crypto_describe(),
		.offloads = offloads(d),
		.last_reload = d->last_reload[0] ? d->last_reload : NULL,
	};
	struct counters sum;
	size_t n;
	struct session_info *all = merge(d, g, &sum, &n);

	sum.n[COUNT_AUDIT_LOST] = audit_lost(d->audit);
	if (!all)
		ctl_fail(g->req, REASON_NONE, 0, "out of memory");
	else if (g->kind == GATHER_STATUS)
		ctl_answer_status(g->req, &st, &sum, all, n);
	else
		ctl_answer_sessions(g->req, all, n);
	free(all);
}

static void answer_order(struct gather *g, const struct message *m)
{
	if (g->answered || (m->reason == REASON_UNKNOWN_SESSION && g->waiting > 0))
		return;
	g->answered = true;
	if (m->reason == REASON_NONE)
		ctl_answer_done(g->req, m->kind == MESSAGE_JUMP ? "the session has moved" : "the session has ended");
	else
		ctl_fail(g->req, m->reason, m->retry_after_ms, "%s", reason_text(m->reason));
}

static void reload_done(struct daemon *d, struct gather *g)
{
	config_free(d->replaced);
	d->replaced = NULL;
	d->reloading = false;
	notify_send("READY=1");
	if (g->req)
		ctl_answer_done(g->req, g->note);
}

void control_answered(struct daemon *d, struct message *m)
{
	struct gather *g = m->gather ? m->gather : (struct gather *)(uintptr_t)m->token;

	if (m->kind == MESSAGE_STOP) {
		if (++d->stopped == d->running)
			uv_stop(&d->loop);
		return;
	}
	if (!g)
		return;
	g->waiting--;
	if (g->kind == GATHER_ORDER)
		answer_order(g, m);
	if (g->waiting > 0)
		return;
	if (g->kind == GATHER_STATUS || g->kind == GATHER_SESSIONS)
		answer_report(d, g);
	else if (g->kind == GATHER_RELOAD)
		reload_done(d, g);
	gather_free(d, g);
}

/* --- configuration --- */

struct audit_config control_audit_config(const struct config *c)
{
	return (struct audit_config){ .syslog = c->audit.syslog, .syslog_facility = c->audit.syslog_facility,
				      .jsonl = c->audit.jsonl, .ident = "jumpvpnd" };
}

struct config *control_load(struct daemon *d, char **first)
{
	struct config_errors errors = { 0 };
	struct config *c = config_load(d->config_file, &errors);

	for (size_t i = 0; i < errors.count; i++) {
		char *line = config_error_format(&errors.list[i]);

		if (line)
			log_error("%.*s", (int)strcspn(line, "\n"), line);
		if (i == 0 && first && line)
			*first = line;
		else
			free(line);
	}
	config_errors_free(&errors);
	if (c)
		x25519_public(c->public_key, c->private_key);
	return c;
}

static bool in_own_network(const struct config *c, const struct prefix *p)
{
	for (size_t i = 0; i < c->tunnel.naddresses; i++)
		if (p->len >= c->tunnel.addresses[i].len && prefix_contains(&c->tunnel.addresses[i], &p->ip))
			return true;
	return false;
}

/* What the device's own networks do not cover needs a route of its own. */
int control_tunnel(struct daemon *d, const struct config *c)
{
	struct tunnel_wish wish = { .addresses = c->tunnel.addresses, .naddresses = c->tunnel.naddresses,
				    .mtu = c->tunnel.mtu };
	struct prefix *routes;
	size_t n = 0;
	int rc;

	for (size_t i = 0; i < c->npeers; i++)
		n += c->peers[i].naddresses;
	routes = calloc(n + 1, sizeof(*routes));
	if (!routes)
		return -ENOMEM;
	for (size_t i = 0; i < c->npeers; i++)
		for (size_t k = 0; k < c->peers[i].naddresses; k++)
			if (!in_own_network(c, &c->peers[i].addresses[k]))
				routes[wish.nroutes++] = c->peers[i].addresses[k];
	wish.routes = routes;
	rc = tunnel_apply(d->tunnel, &wish);
	free(routes);
	return rc;
}

static void policy_reloaded(struct daemon *d)
{
	struct audit_record r = { .at = worker_now(), .event = AUDIT_POLICY_RELOADED, .node_id = d->config->node_id,
				  .policy_version = d->config->generation, .path_from = AUDIT_NO_PATH,
				  .path_to = AUDIT_NO_PATH, .count = 1 };

	audit_push(audit_ring(d->audit, d->nworkers), &r);
}

static void refuse(struct daemon *d, struct ctl_request *req, const char *why)
{
	snprintf(d->last_reload, sizeof(d->last_reload), "refused: %s", why);
	log_error("reload refused, the old configuration stays: %s", why);
	notify_send("READY=1");
	if (req)
		ctl_fail(req, REASON_NONE, 0, "%s", d->last_reload);
}

/* Everything that can fail comes before the first thing that changes. */
static bool prepare(struct daemon *d, struct config *next, struct ctl_request *req, char **restart)
{
	const struct audit_config audit = control_audit_config(next);
	const char *error = NULL;
	char why[256];
	int rc = config_adopt(next, d->config, d->nworkers, restart);

	if (rc < 0) {
		snprintf(why, sizeof(why), "%s", rc == -EINVAL && *restart ? *restart : strerror(-rc));
		refuse(d, req, why);
		return false;
	}
	x25519_public(next->public_key, next->private_key);
	rc = audit_reopen(d->audit, &audit, &error);
	if (rc < 0) {
		snprintf(why, sizeof(why), "audit: %s", error ? error : strerror(-rc));
		refuse(d, req, why);
		return false;
	}
	return true;
}

void control_reload(struct daemon *d, struct ctl_request *req)
{
	struct message m = { .kind = MESSAGE_CONFIGURE };
	char *first = NULL, *restart = NULL;
	struct config *next;
	struct gather *g;

	if (d->reloading || d->quitting) {
		if (req)
			ctl_fail(req, REASON_NONE, 0, "another reload is under way; try again");
		return;
	}
	notify_reloading();
	next = control_load(d, &first);
	g = next ? gather_new(d, GATHER_RELOAD, req) : NULL;
	if (!g) {
		refuse(d, req, first ? first : "out of memory");
		goto out;
	}
	if (!prepare(d, next, req, &restart)) {
		gather_free(d, g);
		goto out;
	}
	if (next->role == ROLE_SERVER)
		control_tunnel(d, next);
	d->replaced = d->config;
	d->config = next;
	next = NULL;
	d->reloading = true;
	snprintf(d->last_reload, sizeof(d->last_reload), "ok%s%s", restart ? ", but a restart is needed for " : "",
		 restart ? restart : "");
	log_info("reload %s", d->last_reload);
	g->note = strdup(d->last_reload);
	policy_reloaded(d);
	m.config = d->config;
	ask_all(d, g, &m);
out:
	config_free(next);
	free(first);
	free(restart);
}
