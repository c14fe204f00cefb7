/*
 * CONTROL frames, once the packet that brought them is known to be authentic and new.
 *
 * On the thread of the engine.
 */
#include "session/control.h"

#include <string.h>

#include "session/accept.h"
#include "session/client.h"
#include "session/client_state.h"
#include "session/end.h"
#include "session/failover.h"
#include "session/health.h"
#include "session/learn.h"
#include "session/order.h"
#include "session/passage.h"
#include "session/path.h"
#include "session/pmtu.h"
#include "session/proof.h"
#include "session/rekey.h"
#include "session/rescue.h"
#include "session/runs.h"
#include "session/send.h"
#include "session/server.h"
#include "session/session.h"
#include "session/skew.h"
#include "session/stall.h"
#include "session/trail.h"
#include "session/uplink.h"
#include "session/welcome.h"

/* Does a client name one path in the whole packet? (A server's JUMP names the one it wishes for.) */
static bool same_number(uint8_t *number, uint8_t told)
{
	if (*number == PATH_NONE)
		*number = told;
	return *number == told;
}

/*
 * An invalid frame anywhere makes the whole packet invalid: look at all of them before acting on one. No type
 * twice: that bounds what one packet can make us do.
 */
static bool all_valid(const uint8_t *frames, size_t len, bool of_client, uint8_t *number, uint32_t *seen)
{
	struct reader r = reader_init(frames, len);
	struct frame f;

	*number = PATH_NONE;
	*seen = 0;
	while (frame_next(&r, &f)) {
		if (*seen & 1u << f.type)
			return false;
		*seen |= 1u << f.type;
		if (of_client && f.type == FRAME_PING && !same_number(number, f.ping->path))
			return false;
		if (of_client && f.type == FRAME_JUMP && !same_number(number, f.jump->path))
			return false;
	}
	return !r.error;
}

/* When this was sent, did we sleep? Then it tells of nothing but our silence. */
static bool was_asleep(const struct session *s, uint64_t peer_age_us, struct jv_time now)
{
	return skew_request_age_us(s, peer_age_us, now) > time_diff_us(now, s->engine->woke);
}

/* The active path carries nothing, as the peer sees it. If it answers us and DATA is late here too, it is that. */
static void peer_reported(struct session *s, struct jv_time now)
{
	struct path *a = s->active;

	if (path_health(a)->unanswered == 0 && stall_likely(a) != 0)
		health_stalled(a, stall_likely(a), now);
	else
		client_path_dead(s, REASON_PEER_REPORTED, now);
}

/* Does DATA pass, as the peer's report tells? */
static void judge_stall(struct path *p, const struct path_report *report, struct jv_time asked,
			struct jv_time now)
{
	const unsigned int ways = stall_reported(p, report, asked, now);

	if (ways != 0)
		health_stalled(p, ways, now);
}

static void ping_received(struct path *p, const struct frame *f, struct jv_time now)
{
	struct session *s = p->session;
	const struct path_report report = frame_report(&f->ping->report);
	struct frame_pong pong = {
		.id = f->ping->id,
		.path = f->ping->path,
		.echo_us = f->ping->age_us,
		.age_us = put_be64(session_age_us(s, now)),
		.binding_version = put_be32(s->binding_version),
	};
	struct control_packet c;

	skew_sample(s, get_be64(f->ping->age_us), -1, now);
	path_reported(p, &report, now);
	rescue_reported(s, report.epoch, report.highest);
	if (p == s->active)
		passage_reported(s, &report, now);
	send_report(p, &pong.report);
	send_begin(&c);
	frame_write(&c.w, &(struct frame){ FRAME_PONG, { &pong } });
	if (!s->engine->client)
		proof_ask(p, &c, now);
	send_control(&c, p, NULL, now);
	if (p == s->active)
		health_asked(s, now);

	if (!s->engine->client)
		server_pinged(p, f, now);
	else if (f->ping->flags & PING_PEER_DEAD && p != s->active && s->state == STATE_ATTACHED &&
		 !skew_is_stale(s, get_be64(f->ping->age_us), now) &&
		 !was_asleep(s, get_be64(f->ping->age_us), now))
		peer_reported(s, now);
	judge_stall(p, &report, TIME_NEVER, now);
}

/*
 * Answers overtake each other, but not by far: one that comes long after those to later PINGs tells of a time that is
 * over. Somebody on the path could hold some back while others come, and let them go when he cuts it: they would pass for
 * life, and for a round trip that makes us wait as long as he likes.
 */
static bool is_held_back(const struct path *p, uint64_t echo_us)
{
	return echo_us + p->session->policy->heartbeat_interval_ms * UINT64_C(1000) < p->health->answered_us;
}

static void pong_received(struct path *p, const struct route *from, const struct frame *f, struct jv_time now)
{
	struct session *s = p->session;
	struct health *h = p->health; /* whoever is asked has it */
	const uint64_t age = session_age_us(s, now), echo_us = get_be64(f->pong->echo_us);
	const uint32_t id = get_be32(f->pong->id);
	const struct path_report report = frame_report(&f->pong->report);
	bool window = false;
	int64_t rtt;

	if (f->pong->path != p->number || !session_leads(p, from))
		return;
	if (!path_asks(p, id) || echo_us > age ||
	    (s->void_ping_id != 0 && (int32_t)(id - s->void_ping_id) <= 0))
		return;
	if (is_held_back(p, echo_us))
		return;
	h->asking &= ~(UINT32_C(1) << (h->ping_id - id));
	if (echo_us > h->answered_us)
		h->answered_us = echo_us;
	/* A client asked the address it was told. A server did not choose the address, and a PING's number
	 * can be guessed: only a PATH_RESPONSE proves it there. */
	if (s->engine->client)
		p->state = PATH_PROVEN;
	rtt = (int64_t)(age - echo_us);
	path_rtt_sample(p, rtt);
	path_latency_sample(p, rtt, s->policy, now);
	skew_sample(s, get_be64(f->pong->age_us), rtt, now);
	path_reported(p, &report, now);
	judge_stall(p, &report, time_add_us(s->born, (int64_t)echo_us), now);
	if (p == s->active && !session_jumps(s) &&
	    rescue_holds(s)) { /* nothing went out since: no gaps */
		rescue_arrived(s, report.epoch, report.highest);
		rescue_unreported(s, now);
	}
	rescue_reported(s, report.epoch, report.highest);
	if (p == s->active)
		passage_reported(s, &report, now);
	if (id == h->ping_id)
		pmtu_ponged(p, report.received, now);
	if (id == h->ping_id)
		window = path_ponged(p, &report, s->policy, now);
	else
		path_answered(p, now);
	if (window)
		runs_judge(p, s->policy, now);
	health_ponged(s, p, window, now);
	rescue_run(s, now);
	/* The peer has moved, and the word of it was lost: our jump will be told the right binding, and meet
	 * it. */
	if (s->engine->client && s->state == STATE_ATTACHED &&
	    (int32_t)(get_be32(f->pong->binding_version) - s->binding_version) > 0)
		client_path_dead(s, REASON_PEER_REPORTED, now);
}

/*
 * The peer's reason is its own; only that a newer session took over means the same at both ends. To a client whose
 * next session waits for its first answer it says that this answer is lost or late: it asks again, and goes on sending
 * by the old session until the new one is attached.
 */
static void closed(struct session *s, enum reason why, struct jv_time now)
{
	struct client *c = s->engine->client;

	if (c && c->session == s && c->next && why == REASON_SUPERSEDED) {
		failover_stop(c); /* whatever is heard of the old session from now on, it is over */
		send_ping(c->next->slot[0].path, 0, now);
		return;
	}
	s->closing = true;
	end_session(s, why == REASON_SUPERSEDED ? REASON_SUPERSEDED : REASON_PEER_CLOSED, now);
}

static void challenged(struct path *p, const struct frame *f, struct jv_time now)
{
	const struct frame answer = { FRAME_PATH_RESPONSE, { f->path_probe } };

	if (p->ignored < UINT8_MAX)
		p->ignored++; /* until a PONG comes without one */
	send_frame(p, &answer, now);
}

/* What a server never sends, or a client never does, is not an error of the packet but is not acted on
 * either. */
static void client_frame(struct path *p, const struct frame *f, struct jv_time now)
{
	switch (f->type) {
	case FRAME_JUMP:
		order_asked(p, f, now);
		break;
	case FRAME_JUMP_ACK:
		client_jump_ack(p, f, now);
		break;
	case FRAME_JUMP_REJECT:
		client_jump_reject(p, f, now);
		break;
	case FRAME_PATH_CHALLENGE:
		challenged(p, f, now);
		break;
	case FRAME_LOCATORS:
		uplink_locators(p->session, f, now);
		break;
	case FRAME_POLICY:
		uplink_policy(p->session, f, now);
		break;
	default:
		p->session->engine->counters.n[COUNT_DROP_BAD_FRAME]++;
	}
}

static void server_frame(struct path *p, const struct route *from, const struct frame *f, struct jv_time now)
{
	switch (f->type) {
	case FRAME_JUMP:
		server_jump(p, from, f, now);
		break;
	case FRAME_PATH_RESPONSE:
		learn_answered(p, from, f->path_probe->nonce, now);
		break;
	default:
		p->session->engine->counters.n[COUNT_DROP_BAD_FRAME]++;
	}
}

static void frame_received(struct path *p, const struct route *from, const struct frame *f,
			   struct jv_time now)
{
	switch (f->type) {
	case FRAME_PING:
		ping_received(p, f, now);
		break;
	case FRAME_PONG:
		pong_received(p, from, f, now);
		break;
	case FRAME_REKEY_OFFER:
		rekey_offered(p, f, now);
		break;
	case FRAME_REKEY_ACCEPT:
		rekey_accepted(p, f, now);
		break;
	case FRAME_PROBE:
		pmtu_probed(p, f, now);
		break;
	case FRAME_PROBE_ACK:
		if (pmtu_acked(p, f, now) == PMTU_LOSS)
			health_ponged(p->session, p, true, now);
		break;
	case FRAME_CLOSE:
		closed(p->session, f->close->reason, now);
		break;
	default:
		if (p->session->engine->client)
			client_frame(p, f, now);
		else
			server_frame(p, from, f, now);
	}
}

/* Client: a server that asks with every PONG for a proof of our address has not heard of any. */
static void asked_on(struct path *p, size_t wire_len, uint32_t seen)
{
	p->session->engine->answering.len = (uint16_t)wire_len;
	if (seen & 1u << FRAME_PONG && !(seen & 1u << FRAME_PATH_CHALLENGE))
		p->ignored = 0;
}

void control_received(struct path *p, const struct route *from, const uint8_t *frames, size_t len,
		      size_t wire_len, bool newest, struct jv_time now)
{
	struct session *s = p->session;
	struct reader r = reader_init(frames, len);
	struct frame f;
	uint32_t seen;
	uint8_t number;

	if (!all_valid(frames, len, !s->engine->client, &number, &seen)) {
		s->engine->counters.n[COUNT_DROP_BAD_FRAME]++;
		trail_refused(s->engine, s, AUDIT_SECURITY_VALIDATION_FAILED, REASON_BAD_PROOF, &from->remote,
			      now);
		return;
	}
	s->engine->counters.n[COUNT_RX_CONTROL]++;
	if (!s->engine->client && !learn_heard(p, from, number, wire_len, newest, now))
		return;
	if (s->engine->client)
		asked_on(p, wire_len, seen);
	if (s->state == STATE_BIRTH && !s->engine->client) {
		accept_attached(s, p, now);
		if (s->state == STATE_BIRTH)
			r.left = 0; /* it could not be: nothing of the packet counts */
	}
	while (s->state != STATE_TERMINATED && frame_next(&r, &f))
		frame_received(p, from, &f, now);
	if (s->state == STATE_BIRTH && s->engine->client)
		client_attached(s, p, now);
	else if (s->state != STATE_TERMINATED && s->engine->client)
		welcome_old_heard(s, now);
	s->engine->answering.path = NULL;
}
