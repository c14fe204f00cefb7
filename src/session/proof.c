/*
 * Whether an address has shown that it is the peer's: challenges, and the 3x rule that holds until one is answered. What
 * packets tell about where a path leads is judged in learn.c.
 *
 * On the thread of the engine.
 */
#include "session/proof.h"

#include <string.h>

#include "session/lead.h"
#include "session/path.h"

/* Of the credit of an unproven address, what DATA leaves: two PINGs with a PATH_CHALLENGE. */
#define CONTROL_CREDIT (2 * PROTO_CONTROL_SMALL)
#define STARVED_MS 1000 /* after memory was wanting for one */
#define CHALLENGE_MS 50 /* least time between two challenges to one address */

/* --- challenges --- */

/* How long the answer may take to one that counts: longer each time, so that one lost by chance, or held back for want
 * of credit, is followed by others. */
static int64_t wait_us(const struct path *p)
{
	const int64_t most_us = (int64_t)p->session->policy->heartbeat_interval_ms * 1000;
	int64_t us = path_patience_us(p);

	for (uint8_t n = 0; n < p->ignored && us < most_us; n++)
		us = us * 2 < most_us ? us * 2 : most_us;
	return us > CHALLENGE_MS * 1000 ? us : CHALLENGE_MS * 1000;
}

void proof_unprove(struct path *p)
{
	p->state = PATH_KNOWN;
	if (p->upkeep)
		p->upkeep->credit_rx = p->upkeep->credit_tx = 0;
}

void proof_settle(struct path *p, bool proven, struct jv_time now)
{
	if (p->upkeep)
		p->upkeep->challenge.out = false;
	p->ignored = 0;
	p->state = proven ? PATH_PROVEN : PATH_KNOWN;
	p->proven_at = now;
	session_ease_upkeep(p, now);
}

/* Another one is due: has the one that counts had its time? That the 3x rule may hold back what is due changes nothing. */
static void count(struct path *p, struct jv_time now)
{
	struct challenge *ch = &p->upkeep->challenge;

	if (!ch->out) {
		ch->counted = now;
		return;
	}
	if (time_diff_us(now, ch->counted) < wait_us(p))
		return;
	ch->counted = now;
	if (p->ignored < UINT8_MAX)
		p->ignored++;
	if (p->ignored == PROTO_CHALLENGES && path_is_proven(p))
		proof_unprove(p);
}

void proof_add(struct path *p, struct challenge *ch, struct control_packet *c, struct jv_time now)
{
	struct engine *e = p->session->engine;
	struct frame_path_probe f;

	if (ch->out && time_since_ms(now, ch->sent) < CHALLENGE_MS)
		return;
	if (!ch->out)
		e->io.random(e->ctx, ch->nonce, sizeof(ch->nonce));
	ch->out = true;
	c->asks = ch;
	c->asked_before = ch->sent;
	ch->sent = now;
	memcpy(f.nonce, ch->nonce, sizeof(f.nonce));
	frame_write(&c->w, &(struct frame){ FRAME_PATH_CHALLENGE, { &f } });
}

void proof_ask(struct path *p, struct control_packet *c, struct jv_time now)
{
	if (path_is_proven(p) && time_since_ms(now, p->proven_at) < PROTO_PROOF_MS)
		return;
	if (!session_need_upkeep(p)) {
		p->session->engine->challenge_at = time_add_ms(now, STARVED_MS);
		return;
	}
	count(p, now);
	proof_add(p, &p->upkeep->challenge, c, now);
}

/* The active path: no PING or PONG has carried the challenge that is due. */
struct jv_time proof_due(const struct path *p)
{
	const struct challenge *ch = &path_upkeep(p)->challenge;

	if (ch->out)
		return time_add_us(ch->counted, wait_us(p));
	return time_max(time_add_ms(p->proven_at, path_is_proven(p) ? 2 * PROTO_PROOF_MS : CHALLENGE_MS),
			p->session->engine->challenge_at);
}

/* --- where a path leads --- */

void proof_moved(struct path *p, struct jv_time now)
{
	struct upkeep *u = p->upkeep;

	const struct trial *trial = u->trial;

	proof_settle(p, false, now);
	u->challenge = trial->challenge; /* that went there just now, and its answer counts */
	u->challenge.counted = now;
	u->credit_rx = trial->rx;
	u->credit_tx = trial->tx;
	p->session->engine->answering.stray = false;
	lead_take_tried(p);
}

bool proof_is_stray(const struct path *p)
{
	const struct answering *a = &p->session->engine->answering;

	return a->path == p && a->stray;
}

bool proof_may_send(struct path *p, const struct route *to, size_t len)
{
	struct engine *e = p->session->engine;
	struct answering *a = proof_is_stray(p) ? &e->answering : NULL;

	if (e->client)
		return true;
	if (to && path_trial(p) && to == &path_trial(p)->route)
		return path_may_try(p, (uint32_t)len);
	if ((a && len > a->left) || !path_may_send(p, (uint32_t)len))
		return false;
	if (a)
		a->left -= (uint32_t)len;
	return true;
}

/* DATA leaves CONTROL_CREDIT of an unproven address's credit: a challenge whose answer was lost must be sent again. */
bool proof_may_carry(struct path *p, size_t len)
{
	const struct engine *e = p->session->engine;
	const struct upkeep *u = path_upkeep(p);

	if (e->client || (path_is_proven(p) && e->answering.path != p))
		return true;
	if (!path_is_proven(p) &&
	    (uint64_t)u->credit_tx + len + CONTROL_CREDIT > (uint64_t)u->credit_rx * PROTO_AMPLIFICATION)
		return false;
	return proof_may_send(p, NULL, len);
}
