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

/* Whoever has moved the audit file away (logrotate) needs a new one, whatever became of the configuration. */
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

/* Everything that can fail comes before the first thing that changes. */
void configure_begin(struct daemon *d, struct ctl_request *req)
{
	char *first = NULL, *restart = NULL;
	struct config *next = NULL;
	struct gather *g = NULL;
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
	next = configure_read(d, &first);
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

void configure_done(struct daemon *d, struct gather *g)
{
	config_free(d->replaced);
	d->replaced = NULL;
	d->reloading = false;
	notify_send("READY=1");
	if (g->req)
		ctl_answer_done(g->req, d->last_reload);
	gather_free(d, g);
	if (d->reload_again)
		configure_begin(d, NULL);
}
