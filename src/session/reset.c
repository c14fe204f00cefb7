/*
 * RESETs. The server answers with one to a locator that it has issued and does not know any more, after a restart, say. The
 * token in it is derived from the server's key, so the client knows that its server sent it, and ends the session.
 *
 * On the thread of the engine.
 */
#include "session/reset.h"

#include <string.h>

#include "jumpvpn/locator.h"
#include "proto/cookie.h"
#include "session/client_state.h"
#include "session/end.h"
#include "session/lead.h"
#include "session/limit.h"
#include "session/session.h"
#include "session/trail.h"

#define RESETS_MANY 3    /* restarts are not that frequent, */
#define RESETS_MS 600000 /* within this time of each other */

/* Of a path of ours, from where the path leads, and not our server's: forged, or another has its key and node id. */
static void reset_ignored(struct path *p, const struct route *from, struct jv_time now)
{
	struct engine *e = p->session->engine;

	if (session_near(p)->socket != from->socket || !lead_goes_to(p, &from->remote))
		return;
	e->counters.n[COUNT_RESET_FOREIGN]++;
	trail_refused(e, p->session, AUDIT_SECURITY_VALIDATION_FAILED, REASON_FOREIGN_RESET, &from->remote,
		      now);
}

/* One restart ends one session. More of them: it restarts all the time, or another has its keys, and is the same machine
 * by all that it can prove. */
static void reset_taken(struct session *s, const struct route *from, struct jv_time now)
{
	struct client *c = s->engine->client;

	if (time_is_never(c->reset) || time_since_ms(now, c->reset) > RESETS_MS)
		c->resets = 0;
	c->reset = now;
	if (c->resets < RESETS_MANY)
		c->resets++;
	if (c->resets == RESETS_MANY)
		trail_refused(s->engine, s, AUDIT_SECURITY_VALIDATION_FAILED, REASON_RESET_AGAIN,
			      &from->remote, now);
}

void reset_received(struct engine *e, const struct route *from, const uint8_t *datagram, size_t len,
		    struct jv_time now)
{
	const struct packet_reset *r = (const struct packet_reset *)datagram;
	struct path *p = len == sizeof(*r) ? session_find_path(e, r->locator) : NULL;

	if (!p || !path_is_known(p) || session_near(p)->socket != from->socket ||
	    !crypto_equal(session_token(p->session, p->slot), r->token, sizeof(r->token))) {
		e->counters.n[COUNT_RESET_IGNORED]++;
		if (p && path_is_known(p))
			reset_ignored(p, from, now);
		return;
	}
	if (p->session->state == STATE_TERMINATED)
		return; /* superseded; and CLOSE may have gone to a server that never had it */
	reset_taken(p->session, from, now);
	p->session->closing = true;
	end_session(p->session, REASON_PEER_CLOSED, now);
}

/* By what RESETs are limited: the locator, and where it came from (IPv4 address, IPv6 /64). */
struct asker {
	uint8_t locator[8];
	struct ip source;
};

/* Only for a locator that this server has issued, which cannot be guessed. And each source has tokens of its own for each
 * locator: an attacker who has seen a locator does not use up those of the client it belongs to. */
static bool may_reset(struct engine *e, const struct endpoint *from, const uint8_t locator[8],
		      struct jv_time now)
{
	struct asker a = { .source = ip_masked(&from->ip, ip_is_v4(&from->ip) ? 128 : 64) };

	memcpy(a.locator, locator, sizeof(a.locator));
	return locator_is_marked(locator, &e->locator_key) && limit_take(e->reset_limit, &a, sizeof(a), now);
}

void reset_send(struct engine *e, const struct route *from, const uint8_t *datagram, size_t len,
		struct jv_time now)
{
	struct packet_reset r = { .type = PACKET_RESET };

	const uint8_t *locator = datagram + offsetof(struct packet_header, locator);

	/* Only for locators that are this worker's (the daemon may have had more workers once, or fewer: that one
	 * answers whose it would be now), and never longer than what asked for it. */
	if (len < sizeof(r) || locator[LOCATOR_NODE] != e->config->node_id ||
	    locator_worker(locator, e->steer_key, e->workers) != e->worker)
		return;
	if (!may_reset(e, &from->remote, locator, now))
		return;
	memcpy(r.locator, locator, sizeof(r.locator));
	reset_token(r.token, e->reset_key, r.locator);
	e->counters.n[COUNT_RESET_SENT]++;
	e->io.send(e->ctx, from, (const uint8_t *)&r, sizeof(r), 0);
}
