#include "worker/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "ctl/notify.h"
#include "net/steer.h"
#include "worker/daemon.h"

enum gather_kind { GATHER_STATUS, GATHER_SESSIONS, GATHER_METRICS, GATHER_ORDER, GATHER_RELOAD };

/* One question to all workers, until the last has answered. */
struct gather {
	struct list node;
	uint64_t token; /* never used twice, so a late answer meets nobody else's question */
	enum gather_kind kind;
	struct ctl_request *req; /* NULL: none, or answered */
	struct metrics_request *scrape;
	uint32_t waiting;
	struct worker_report *reports; /* one for each worker */
	struct engine_peers **peers;   /* reload at a server: the same, until the worker has taken it */
};

static struct gather *gather_new(struct daemon *d, enum gather_kind kind)
{
	struct gather *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->kind = kind;
	g->token = ++d->last_gather;
	g->reports = calloc(d->nworkers, sizeof(*g->reports));
	if (!g->reports) {
		free(g);
		return NULL;
	}
	list_append(&d->gathers, &g->node);
	return g;
}

static void free_report(struct worker_report *r)
{
	free(r->sessions);
	free(r->names);
}

static void gather_free(struct daemon *d, struct gather *g)
{
	list_remove(&g->node);
	for (uint32_t i = 0; i < d->nworkers; i++)
		free_report(&g->reports[i]);
	free(g->reports);
	for (uint32_t i = 0; g->peers && i < d->nworkers; i++)
		engine_peers_free(g->peers[i]);
	free(g->peers);
	free(g);
}

static struct gather *gather_find(struct daemon *d, uint64_t token)
{
	struct list *pos;

	list_for_each(pos, &d->gathers) {
		struct gather *g = container_of(pos, struct gather, node);

		if (g->token == token)
			return g;
	}
	return NULL;
}

/* All workers or none: a configuration that one of them missed could never be freed. */
static bool can_ask(const struct daemon *d)
{
	for (uint32_t i = 0; i < d->nworkers; i++)
		if (d->workers[i].asked >= WORKER_ASKED)
			return false;
	return !d->quitting;
}

static void ask_all(struct daemon *d, struct gather *g, struct message *m)
{
	m->token = g->token;
	for (uint32_t i = 0; i < d->nworkers; i++) {
		m->report = &g->reports[i];
		m->worker = i;
		m->peers = NULL;
		if (g->peers) {
			m->peers = g->peers[i];
			g->peers[i] = NULL;
		}
		g->waiting += worker_post(&d->workers[i], m);
	}
}

static const char *cannot_ask(const struct daemon *d)
{
	return d->quitting ? "the daemon is ending" : "the workers are busy; try again";
}

static void ask(struct daemon *d, enum gather_kind kind, struct ctl_request *req, struct message *m)
{
	struct gather *g = can_ask(d) ? gather_new(d, kind) : NULL;

	if (!g) {
		ctl_fail(req, REASON_NONE, 0, "%s", cannot_ask(d));
		return;
	}
	g->req = req;
	ask_all(d, g, m);
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

static void op_rekey(void *ctx, struct ctl_request *req, const uint8_t id[16])
{
	struct message m = { .kind = MESSAGE_REKEY };

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
	.rekey = op_rekey,
	.reload = op_reload,
	.recent = op_recent,
};

/* --- answers --- */

static struct session_info *merge(const struct daemon *d, const struct gather *g, struct counters *sum,
				  size_t *n)
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

/* What comes out at another worker than its own is handed over, so this is about speed alone. */
static const char *steering(const struct daemon *d)
{
	static const char *const texts[2][2] = {
		{ "steering: none", "steering: inner packets by eBPF" },
		{ "steering: datagrams by BPF", "steering: datagrams by BPF, inner packets by eBPF" },
	};

	return d->nworkers == 1 ? "one worker" : texts[d->steered][d->steer != NULL];
}

static bool writes_singly(const struct daemon *d)
{
	for (uint32_t i = 0; i < d->nworkers; i++)
		if (d->workers[i].tun_singly)
			return true;
	return false;
}

/* What the kernel does for us in large pieces; "" where it does not. */
static const char *offloads(struct daemon *d)
{
	snprintf(d->offloads, sizeof(d->offloads), "tunnel:%s%s%s%s; UDP:%s%s%s; %s",
		 d->tun_offload.tso ? " TSO" : "", d->tun_offload.uso ? " USO" : "",
		 d->tun_offload.checksum ? " checksum" : " none",
		 writes_singly(d) ? ", super-packets refused" : "", d->udp_offload.gro ? " GRO" : "",
		 d->udp_offload.gso ? " GSO" : "", d->udp_offload.gro || d->udp_offload.gso ? "" : " none",
		 steering(d));
	return d->offloads;
}

/* A client's device is looked after by its worker, a server's here. */
static struct ctl_status status_of(struct daemon *d, const struct gather *g)
{
	const bool server = d->config->role == ROLE_SERVER;
	const char *trouble = server ? tunnel_trouble(d->tunnel) : g->reports[0].trouble;

	return (struct ctl_status){
		.role = server ? "server" : "client",
		.node_name = d->config->node_name,
		.node_id = d->config->node_id,
		.config_file = d->config_file,
		.config_generation = d->config->generation,
		.uptime_ms = time_since_ms(worker_now(), d->started),
		.workers = d->nworkers,
		.tunnel = d->tunnel_name,
		.trouble = trouble[0] ? trouble : NULL,
		.crypto = crypto_describe(),
		.offloads = offloads(d),
		.last_reload = d->last_reload[0] ? d->last_reload : NULL,
	};
}

static void answer_scrape(const struct daemon *d, struct gather *g, const struct session_info *all, size_t n,
			  const struct ctl_status *st, const struct counters *sum)
{
	struct metrics_data data = { .status = st, .sum = sum, .events = d->events };

	for (size_t i = 0; i < n; i++)
		if (all[i].doing != DOING_CONNECTING) /* no session yet */
			data.sessions[all[i].state]++;
	metrics_answer(g->scrape, &data);
}

static void answer_report(struct daemon *d, struct gather *g)
{
	struct ctl_status st = status_of(d, g);
	struct counters sum;
	size_t n;
	struct session_info *all = merge(d, g, &sum, &n);

	st.names = g->reports[0].names; /* a client has one worker */
	sum.n[COUNT_AUDIT_LOST] = audit_lost(d->audit);
	sum.n[COUNT_LOG_LOST] = log_lost();
	if (g->kind == GATHER_METRICS && all)
		answer_scrape(d, g, all, n, &st, &sum);
	else if (g->kind == GATHER_METRICS)
		metrics_answer(g->scrape, NULL);
	else if (!all)
		ctl_fail(g->req, REASON_NONE, 0, "out of memory");
	else if (g->kind == GATHER_STATUS)
		ctl_answer_status(g->req, &st, &sum, all, n);
	else
		ctl_answer_sessions(g->req, all, n);
	free(all);
}

static const char *done_note(enum message_kind kind)
{
	if (kind == MESSAGE_JUMP)
		return "the session has moved";
	return kind == MESSAGE_REKEY ? "new keys are being agreed on" : "the session has ended";
}

/* The worker that has the session speaks for all; that it is nobody's is known when the last has said so. */
static void answer_order(struct gather *g, const struct message *m)
{
	if (!g->req || (m->reason == REASON_UNKNOWN_SESSION && g->waiting > 0))
		return;
	if (m->reason == REASON_NONE)
		ctl_answer_done(g->req, done_note(m->kind));
	else
		ctl_fail(g->req, m->reason, m->retry_after_ms, "%s", reason_text(m->reason));
	g->req = NULL;
}

static void reload_done(struct daemon *d, struct gather *g)
{
	config_free(d->replaced);
	d->replaced = NULL;
	d->reloading = false;
	notify_send("READY=1");
	if (g->req)
		ctl_answer_done(g->req, d->last_reload);
	if (d->reload_again)
		control_reload(d, NULL);
}

void control_answered(struct daemon *d, const struct message *m)
{
	struct gather *g = gather_find(d, m->token);

	if (!g)
		return;
	g->waiting--;
	if (g->kind == GATHER_ORDER)
		answer_order(g, m);
	if (g->waiting > 0)
		return;
	if (g->kind == GATHER_RELOAD)
		reload_done(d, g);
	else if (g->kind != GATHER_ORDER)
		answer_report(d, g);
	gather_free(d, g);
}

void control_stop(struct daemon *d)
{
	while (!list_is_empty(&d->gathers)) {
		struct gather *g = container_of(d->gathers.next, struct gather, node);

		if (g->req)
			ctl_fail(g->req, REASON_NONE, 0, "the daemon is ending");
		if (g->scrape)
			metrics_answer(g->scrape, NULL);
		gather_free(d, g);
	}
	config_free(d->replaced);
	d->replaced = NULL;
}

/* --- metrics --- */

static void scraped(void *ctx, struct metrics_request *scrape)
{
	struct message m = { .kind = MESSAGE_INFO };
	struct daemon *d = ctx;
	struct gather *g = can_ask(d) ? gather_new(d, GATHER_METRICS) : NULL;

	if (!g) {
		metrics_answer(scrape, NULL);
		return;
	}
	g->scrape = scrape;
	ask_all(d, g, &m);
}

int control_metrics(struct daemon *d, const struct config *c, struct metrics **out)
{
	char text[ENDPOINT_STRLEN];
	int rc;

	*out = NULL;
	if (!c->metrics.on)
		return 0;
	*out = d->metrics;
	if (d->metrics && endpoint_equal(&d->config->metrics.listen, &c->metrics.listen))
		return 0;
	rc = metrics_start(out, &d->loop, &c->metrics.listen, scraped, d);
	if (rc < 0)
		log_error("metrics on %s: %s", endpoint_format(&c->metrics.listen, text), strerror(-rc));
	return rc;
}

/* --- configuration --- */

struct audit_config control_audit_config(const struct config *c)
{
	return (struct audit_config){ .syslog = c->audit.syslog,
				      .syslog_facility = c->audit.syslog_facility,
				      .jsonl = c->audit.jsonl,
				      .ident = "jumpvpnd" };
}

struct config *control_load(struct daemon *d, char **first)
{
	struct config_errors errors = { 0 };
	struct config *c = config_load(d->config_file, &errors);

	for (size_t i = 0; i < errors.count; i++) {
		char *line = config_error_format(&errors.list[i]);

		if (line) {
			line[strcspn(line, "\n")] = '\0';
			log_error("%s", line);
		}
		if (i == 0 && first && line)
			*first = line;
		else
			free(line);
	}
	config_errors_free(&errors);
	if (c && !x25519_public(c->public_key, c->private_key)) {
		config_free(c);
		return NULL;
	}
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
	struct tunnel_wish wish = { .addresses = c->tunnel.addresses,
				    .naddresses = c->tunnel.naddresses,
				    .table = c->tunnel.table,
				    .server = true,
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

void control_steer(struct daemon *d, const struct config *c)
{
	struct steer_entry *entries;
	size_t n = 0;
	int rc = -ENOMEM;

	if (!d->steer)
		return;
	for (size_t i = 0; i < c->npeers; i++)
		n += c->peers[i].naddresses;
	entries = calloc(n + 1, sizeof(*entries));
	n = 0;
	for (size_t i = 0; entries && i < c->npeers; i++)
		for (size_t k = 0; k < c->peers[i].naddresses; k++)
			entries[n++] = (struct steer_entry){ c->peers[i].addresses[k], c->peers[i].home };
	if (entries)
		rc = steer_set(d->steer, entries, n);
	if (rc < 0)
		log_warn("steering of inner packets: %s; some are handed over between workers",
			 strerror(-rc));
	free(entries);
}

static void policy_reloaded(struct daemon *d)
{
	struct audit_record r = { .at = worker_now(),
				  .event = AUDIT_POLICY_RELOADED,
				  .client = d->config->role == ROLE_CLIENT,
				  .node_id = d->config->node_id,
				  .policy_version = d->config->generation,
				  .path_from = AUDIT_NO_PATH,
				  .path_to = AUDIT_NO_PATH,
				  .count = 1 };

	audit_push(audit_ring(d->audit, d->nworkers), &r);
}

/* Whoever has moved the audit file away (logrotate) needs a new one, whatever became of the configuration. */
static void rotate(struct daemon *d)
{
	const struct audit_config audit = control_audit_config(d->config);
	const char *error = NULL;
	int rc = audit_reopen(d->audit, &audit, &error);

	if (rc < 0)
		log_warn("audit: the file cannot be opened anew, and the old one stays: %s: %s",
			 error ? error : "cannot open it", strerror(-rc));
}

static void refuse(struct daemon *d, struct ctl_request *req, const char *why)
{
	rotate(d);
	snprintf(d->last_reload, sizeof(d->last_reload), "refused: %s", why);
	log_error("reload refused, the old configuration stays: %s", why);
	notify_send("READY=1");
	if (req)
		ctl_fail(req, REASON_NONE, 0, "%s", d->last_reload);
}

/* All that the workers will need for the new peers. */
static struct gather *gather_peers(struct daemon *d, const struct config *next)
{
	struct gather *g = gather_new(d, GATHER_RELOAD);

	if (!g || next->role == ROLE_CLIENT)
		return g;
	g->peers = calloc(d->nworkers, sizeof(*g->peers));
	for (uint32_t i = 0; g->peers && i < d->nworkers; i++) {
		g->peers[i] = engine_peers_new(next);
		if (!g->peers[i])
			break;
	}
	if (g->peers && g->peers[d->nworkers - 1])
		return g;
	gather_free(d, g);
	return NULL;
}

/* The last thing that may fail: from here on the next configuration is taken. */
static int open_anew(struct daemon *d, const struct config *next, char why[256])
{
	const struct audit_config audit = control_audit_config(next);
	struct metrics *metrics;
	const char *error = NULL;
	int rc = control_metrics(d, next, &metrics);

	if (rc < 0) {
		snprintf(why, 256, "metrics.listen: %s", strerror(-rc));
		return rc;
	}
	rc = audit_reopen(d->audit, &audit, &error);
	if (rc < 0)
		snprintf(why, 256, "audit: %s: %s", error ? error : "cannot open it", strerror(-rc));
	if (metrics != d->metrics)
		metrics_stop(rc < 0 ? metrics : d->metrics);
	if (rc == 0)
		d->metrics = metrics;
	return rc;
}

static bool adopt(struct daemon *d, struct config *next, char **restart, char why[256])
{
	int rc = config_adopt(next, d->config, d->nworkers, restart);

	if (rc < 0 && rc == -EINVAL && *restart)
		snprintf(why, 256, "a restart is needed for %s", *restart);
	else if (rc < 0)
		snprintf(why, 256, "%s", strerror(-rc));
	if (rc < 0)
		return false;
	/* The old private key may have been kept. */
	return x25519_public(next->public_key, next->private_key);
}

static void reload_say(struct daemon *d, const char *restart)
{
	snprintf(d->last_reload, sizeof(d->last_reload), "ok%s%s",
		 restart ? ", but a restart is needed for " : "", restart ? restart : "");
	if (restart)
		log_warn("reload %s", d->last_reload);
	else
		log_info("reload %s", d->last_reload);
}

/* Takes `next`. */
static void reload_commit(struct daemon *d, struct config *next, struct gather *g)
{
	struct message m = { .kind = MESSAGE_CONFIGURE, .config = next };

	if (next->role == ROLE_SERVER)
		control_tunnel(d, next);
	control_steer(d, next);
	d->replaced = d->config;
	d->config = next;
	d->reloading = true;
	policy_reloaded(d);
	ask_all(d, g, &m);
}

/* Everything that can fail comes before the first thing that changes. */
void control_reload(struct daemon *d, struct ctl_request *req)
{
	char *first = NULL, *restart = NULL;
	struct config *next = NULL;
	struct gather *g = NULL;
	char why[256];

	if (d->reloading && !req) {
		d->reload_again = true;
		return;
	}
	if (d->reloading || !can_ask(d)) {
		snprintf(why, sizeof(why), "%s",
			 d->reloading ? "another reload is under way; try again" : cannot_ask(d));
		if (req)
			ctl_fail(req, REASON_NONE, 0, "%s", why);
		else
			log_warn("reload: %s", why);
		return;
	}
	d->reload_again = false;
	notify_reloading();
	next = control_load(d, &first);
	snprintf(why, sizeof(why), "%s", first ? first : "out of memory");
	if (!next || !adopt(d, next, &restart, why))
		goto refused;
	snprintf(why, sizeof(why), "out of memory");
	g = gather_peers(d, next);
	if (!g || open_anew(d, next, why) < 0)
		goto refused;
	g->req = req;
	reload_say(d, restart);
	reload_commit(d, next, g);
	goto out;
refused:
	if (g)
		gather_free(d, g);
	config_free(next);
	refuse(d, req, why);
out:
	free(first);
	free(restart);
}
