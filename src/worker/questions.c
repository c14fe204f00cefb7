#include "worker/questions.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "worker/clock.h"
#include "worker/gather.h"
#include "worker/configure.h"

/* A question that a client of the control socket waits for; NULL: he has been told why not. */
static struct gather *question(struct daemon *d, enum gather_kind kind, struct ctl_request *req)
{
	const bool may = gather_may(d);
	struct gather *g = may ? gather_new(d, kind) : NULL;

	if (g)
		g->req = req;
	else
		ctl_fail(req, REASON_NONE, 0, "%s", may ? "out of memory" : gather_may_not(d));
	return g;
}

/* --- numbers --- */

static void op_status(void *ctx, struct ctl_request *req)
{
	struct message m = { .kind = MESSAGE_COUNT };
	struct gather *g = question(ctx, GATHER_STATUS, req);

	if (g)
		gather_ask_all(ctx, g, &m);
}

void questions_scraped(void *ctx, struct metrics_request *scrape)
{
	struct message m = { .kind = MESSAGE_COUNT };
	struct daemon *d = ctx;
	struct gather *g = gather_may(d) ? gather_new(d, GATHER_METRICS) : NULL;

	if (!g) {
		metrics_answer(scrape, NULL);
		return;
	}
	g->scrape = scrape;
	gather_ask_all(d, g, &m);
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
		.uptime_ms = time_since_ms(clock_now(), d->started),
		.workers = d->nworkers,
		.max_sessions = server ? d->config->max_sessions : 0,
		.tunnel = d->tunnel_name,
		.trouble = trouble[0] ? trouble : NULL,
		.crypto = crypto_describe(),
		.offloads = offloads(d),
		.last_reload = d->last_reload[0] ? d->last_reload : NULL,
	};
}

static void add_up(struct daemon *d, const struct gather *g, struct counters *sum,
		   uint64_t by_state[STATE_COUNT])
{
	memset(sum, 0, sizeof(*sum));
	memset(by_state, 0, STATE_COUNT * sizeof(by_state[0]));
	for (uint32_t i = 0; i < d->nworkers; i++) {
		for (unsigned int c = 0; c < COUNTER_COUNT; c++)
			sum->n[c] += g->reports[i].counters.n[c];
		for (unsigned int s = 0; s < STATE_COUNT; s++)
			by_state[s] += g->reports[i].by_state[s];
	}
	sum->n[COUNT_AUDIT_LOST] = audit_lost(d->audit);
	sum->n[COUNT_LOG_LOST] = log_lost();
}

static void counted(struct daemon *d, struct gather *g)
{
	const struct worker_report *first = &g->reports[0]; /* a client has one worker */
	struct metrics_data data = { .events = d->events };
	struct ctl_status st = status_of(d, g);
	struct counters sum;

	st.names = first->names;
	for (uint32_t i = 0; i < d->nworkers; i++)
		st.session_bytes += g->reports[i].session_bytes;
	add_up(d, g, &sum, data.sessions);
	if (g->kind == GATHER_METRICS) {
		data.status = &st;
		data.sum = &sum;
		metrics_answer(g->scrape, &data);
	} else {
		if (first->has_own &&
		    first->own.doing == DOING_CONNECTING) /* none yet, and shown as one all the same */
			data.sessions[first->own.state]++;
		ctl_answer_status(g->req, &st, &sum, data.sessions, first->has_own ? &first->own : NULL);
	}
	gather_free(d, g);
}

/* --- sessions --- */

static void walk_on(struct daemon *d, struct gather *g)
{
	struct message m = { .kind = MESSAGE_WALK };

	if (g->walk.at.done && !g->walk.last) { /* the next worker's */
		g->at++;
		g->walk.at = (struct walk){ .done = false };
	}
	gather_ask_one(d, g, &m, g->at);
}

/* The worker forgets of it: only then may its memory go. */
static void walk_no_more(struct daemon *d, struct gather *g)
{
	g->req = NULL;
	g->walk.last = true;
	if (g->walk.at.done)
		gather_free(d, g);
	else
		walk_on(d, g);
}

static bool is_last(const struct daemon *d, const struct gather *g)
{
	return g->walk.at.done && g->at + 1 == d->nworkers;
}

static void op_sessions(void *ctx, struct ctl_request *req)
{
	struct gather *g = question(ctx, GATHER_LIST, req);

	if (g)
		walk_on(ctx, g);
}

static void op_next(void *ctx, struct ctl_request *req)
{
	struct daemon *d = ctx;
	struct gather *g = gather_for(d, req);

	if (!ctl_is_gone(req)) {
		walk_on(d, g);
		return;
	}
	ctl_answer_page(req, NULL, 0, true);
	walk_no_more(d, g);
}

static void listed(struct daemon *d, struct gather *g)
{
	if (is_last(d, g)) {
		ctl_answer_page(g->req, g->rows, g->walk.n, true);
		gather_free(d, g);
	} else if (g->walk.n == 0 && !ctl_is_gone(g->req)) {
		walk_on(d, g);
	} else {
		ctl_answer_page(g->req, g->rows, g->walk.n, false); /* op_next() goes on */
	}
}

static void op_find(void *ctx, struct ctl_request *req, const char *wanted)
{
	struct gather *g = question(ctx, GATHER_FIND, req);

	if (!g)
		return;
	if (wanted) {
		snprintf(g->wanted, sizeof(g->wanted), "%s", wanted);
		g->walk.wanted = g->wanted;
	}
	walk_on(ctx, g);
}

/* It ends early once two sessions are found, which is one too many, or when the client that asked has gone. */
static void looked(struct daemon *d, struct gather *g)
{
	struct worker_walk *k = &g->walk;

	g->found += k->n;
	k->rows += k->n;
	k->max -= k->n;
	if (k->max > 0 && !is_last(d, g) && !ctl_is_gone(g->req)) {
		walk_on(d, g);
		return;
	}
	ctl_answer_found(g->req, g->rows, g->found);
	walk_no_more(d, g);
}

/* --- orders --- */

static void order(struct daemon *d, struct ctl_request *req, const struct session_info *s, struct message *m)
{
	struct gather *g = question(d, GATHER_ORDER, req);

	memcpy(m->id, s->id, sizeof(m->id));
	if (g)
		gather_ask_one(d, g, m, s->worker);
}

static void op_jump(void *ctx, struct ctl_request *req, const struct session_info *s, uint8_t path)
{
	struct message m = { .kind = MESSAGE_JUMP, .path = path };

	order(ctx, req, s, &m);
}

static void op_terminate(void *ctx, struct ctl_request *req, const struct session_info *s)
{
	struct message m = { .kind = MESSAGE_TERMINATE };

	order(ctx, req, s, &m);
}

static void op_rekey(void *ctx, struct ctl_request *req, const struct session_info *s)
{
	struct message m = { .kind = MESSAGE_REKEY };

	order(ctx, req, s, &m);
}

static const char *done_note(enum message_kind kind)
{
	if (kind == MESSAGE_JUMP)
		return "the session has moved";
	return kind == MESSAGE_REKEY ? "new keys are being agreed on" : "the session has ended";
}

static void carried_out(struct daemon *d, struct gather *g, const struct message *m)
{
	if (m->reason == REASON_NONE)
		ctl_answer_done(g->req, done_note(m->kind));
	else
		ctl_fail(g->req, m->reason, m->retry_after_ms, "%s", reason_text(m->reason));
	gather_free(d, g);
}

/* --- the rest --- */

static void op_reload(void *ctx, struct ctl_request *req)
{
	configure_begin(ctx, req);
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

const struct ctl_ops questions_ops = {
	.status = op_status,
	.sessions = op_sessions,
	.next = op_next,
	.find = op_find,
	.jump = op_jump,
	.terminate = op_terminate,
	.rekey = op_rekey,
	.reload = op_reload,
	.recent = op_recent,
};

void questions_answered(struct daemon *d, const struct message *m)
{
	struct gather *g = gather_of(d, m->token);

	if (!g || --g->waiting > 0)
		return;
	if (g->kind == GATHER_RELOAD)
		configure_done(d, g); /* frees it */
	else if (g->kind == GATHER_ORDER)
		carried_out(d, g, m);
	else if (g->kind == GATHER_STATUS || g->kind == GATHER_METRICS)
		counted(d, g);
	else if (!g->req)
		gather_free(d, g); /* the walk has been ended */
	else if (g->kind == GATHER_LIST)
		listed(d, g);
	else
		looked(d, g);
}

void questions_stop(struct daemon *d)
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
