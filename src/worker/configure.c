#include "worker/configure.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "ctl/ctl.h"
#include "ctl/metrics.h"
#include "ctl/notify.h"
#include "worker/clock.h"
#include "worker/devices.h"
#include "worker/gather.h"

struct audit_config configure_audit(const struct config *c)
{
	return (struct audit_config){ .syslog = c->audit.syslog,
				      .syslog_facility = c->audit.syslog_facility,
				      .jsonl = c->audit.jsonl,
				      .ident = "jumpvpnd" };
}

struct config *configure_read(struct daemon *d, char **first)
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

static void policy_reloaded(struct daemon *d)
{
	struct audit_record r = { .at = clock_now(),
				  .event = AUDIT_POLICY_RELOADED,
				  .client = d->config->role == ROLE_CLIENT,
				  .node_id = d->config->node_id,
				  .policy_version = d->config->generation,
				  .path_from = AUDIT_NO_PATH,
				  .path_to = AUDIT_NO_PATH,
				  .count = 1 };

	audit_push(audit_ring(d->audit, d->nworkers), &r);
}

/* The audit file may have been moved away (logrotate): it is opened anew even where the configuration is refused. */
static void rotate(struct daemon *d)
{
	const struct audit_config audit = configure_audit(d->config);
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

/* What changes for the workers, and all that they will need for it; NULL for a client, or without memory. */
static struct engine_peers **make_peers(const struct config *running, const struct config *next, uint32_t workers)
{
	struct engine_peers **peers = next->role == ROLE_SERVER ? calloc(workers, sizeof(*peers)) : NULL;

	for (uint32_t i = 0; peers && i < workers; i++) {
		peers[i] = engine_peers_new(running, next, i, workers);
		if (peers[i])
			continue;
		while (i > 0)
			engine_peers_free(peers[--i]);
		free(peers);
		return NULL;
	}
	return peers;
}

static void free_peers(struct engine_peers **peers, uint32_t workers)
{
	for (uint32_t i = 0; peers && i < workers; i++)
		engine_peers_free(peers[i]);
	free(peers);
}

int configure_metrics(struct daemon *d, const struct config *c, struct metrics **out)
{
	char text[ENDPOINT_STRLEN];
	int rc;

	*out = NULL;
	if (!c->metrics.on)
		return 0;
	*out = d->metrics;
	if (d->metrics && endpoint_equal(&d->config->metrics.listen, &c->metrics.listen))
		return 0;
	rc = metrics_start(out, &d->loop, &c->metrics.listen, d->collect, d);
	if (rc < 0)
		log_error("metrics on %s: %s", endpoint_format(&c->metrics.listen, text), strerror(-rc));
	return rc;
}

/* The last thing that may fail: from here on the next configuration is taken. */
static int open_anew(struct daemon *d, const struct config *next, char why[256])
{
	const struct audit_config audit = configure_audit(next);
	struct metrics *metrics;
	const char *error = NULL;
	int rc = configure_metrics(d, next, &metrics);

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
		devices_networks(d, next);
	devices_homes(d, next);
	d->replaced = d->config;
	d->config = next;
	d->reloading = true;
	policy_reloaded(d);
	gather_ask_all(d, g, &m);
}

/*
 * The files are read and checked on a thread of libuv, and what grows with the peers is made there, too: signals, the control
 * socket and the audit sinks go on meanwhile. Of the daemon that thread reads what a reload alone changes.
 */
struct reading {
	uv_work_t work;
	struct daemon *d;
	struct ctl_request *req; /* NULL: SIGHUP, or nobody waits any more */
	struct config *next;     /* NULL: `why` says */
	struct engine_peers **peers;
	char *restart;
	char why[256];
};

static void read_run(uv_work_t *work)
{
	struct reading *r = container_of(work, struct reading, work);
	struct daemon *d = r->d;
	char *first = NULL;

	r->next = configure_read(d, &first);
	snprintf(r->why, sizeof(r->why), "%s", first ? first : "out of memory");
	free(first);
	if (!r->next)
		return;
	if (adopt(d, r->next, &r->restart, r->why)) {
		r->peers = make_peers(d->config, r->next, d->nworkers);
		if (r->peers || r->next->role == ROLE_CLIENT)
			return;
		snprintf(r->why, sizeof(r->why), "out of memory");
	}
	config_free(r->next);
	r->next = NULL;
}

/* Everything that can fail comes before the first thing that changes. */
static bool take(struct daemon *d, struct reading *r)
{
	struct gather *g;

	if (!gather_may(d)) {
		snprintf(r->why, sizeof(r->why), "%s", gather_may_not(d));
		return false;
	}
	g = gather_new(d, GATHER_RELOAD);
	if (!g) {
		snprintf(r->why, sizeof(r->why), "out of memory");
		return false;
	}
	if (open_anew(d, r->next, r->why) < 0) {
		gather_free(d, g);
		return false;
	}
	g->peers = r->peers;
	g->req = r->req;
	reload_say(d, r->restart);
	reload_commit(d, r->next, g);
	return true;
}

static void read_done(uv_work_t *work, int status)
{
	struct reading *r = container_of(work, struct reading, work);
	struct daemon *d = r->d;

	(void)status; /* nobody cancels it */
	d->reading = NULL;
	if (!r->next || !take(d, r)) {
		d->reloading = false;
		if (!d->quitting)
			refuse(d, r->req, r->why);
		free_peers(r->peers, d->nworkers);
		config_free(r->next);
		if (d->reload_again && !d->quitting)
			configure_begin(d, NULL);
	}
	free(r->restart);
	free(r);
}

void configure_stop(struct daemon *d)
{
	if (d->reading && d->reading->req)
		ctl_fail(d->reading->req, REASON_NONE, 0, "the daemon is ending");
	if (d->reading)
		d->reading->req = NULL;
}

void configure_begin(struct daemon *d, struct ctl_request *req)
{
	struct reading *r;
	char why[256];

	if (d->reloading && !req) {
		d->reload_again = true;
		return;
	}
	if (d->reloading || !gather_may(d)) {
		snprintf(why, sizeof(why), "%s",
			 d->reloading ? "another reload is under way; try again" : gather_may_not(d));
		if (req)
			ctl_fail(req, REASON_NONE, 0, "%s", why);
		else
			log_warn("reload: %s", why);
		return;
	}
	d->reload_again = false;
	notify_reloading();
	r = calloc(1, sizeof(*r));
	if (!r) {
		refuse(d, req, "out of memory");
		return;
	}
	r->d = d;
	r->req = req;
	d->reading = r;
	d->reloading = true;
	uv_queue_work(&d->loop, &r->work, read_run, read_done);
}

/* What is made of a hundred thousand peers takes a while to take down. */
struct burial {
	uv_work_t work;
	struct config *config;
};

static void bury(uv_work_t *work)
{
	config_free(container_of(work, struct burial, work)->config);
}

static void buried(uv_work_t *work, int status)
{
	(void)status;
	free(container_of(work, struct burial, work));
}

static void free_away(struct daemon *d, struct config *c)
{
	struct burial *b = calloc(1, sizeof(*b));

	if (!b) {
		config_free(c);
		return;
	}
	b->config = c;
	uv_queue_work(&d->loop, &b->work, bury, buried);
}

void configure_done(struct daemon *d, struct gather *g)
{
	free_away(d, d->replaced);
	d->replaced = NULL;
	d->reloading = false;
	notify_send("READY=1");
	if (g->req)
		ctl_answer_done(g->req, d->last_reload);
	gather_free(d, g);
	if (d->reload_again)
		configure_begin(d, NULL);
}
