#include "session/path.h"

#include <string.h>

/* Fewer packets than this in a window say nothing about loss. */
#define LOSS_LEAST_PACKETS 10

void path_reset(struct path *p, struct jv_time now)
{
	struct path fresh = {
		.session = p->session, .slot = p->slot, .issued = p->issued, .number = PATH_NONE
	};

	memcpy(fresh.locator, p->locator, sizeof(fresh.locator));
	memcpy(fresh.token, p->token, sizeof(fresh.token));
	fresh.last_rx = TIME_NEVER;
	fresh.last_pong = TIME_NEVER;
	fresh.opened = fresh.stable_since = now;
	*p = fresh;
}

void path_rtt_sample(struct path *p, int64_t rtt_us)
{
	int64_t delta;

	if (rtt_us < 1)
		rtt_us = 1;
	if (p->srtt_us == 0) {
		p->srtt_us = rtt_us;
		p->rttvar_us = rtt_us / 2;
		return;
	}
	delta = p->srtt_us > rtt_us ? p->srtt_us - rtt_us : rtt_us - p->srtt_us;
	p->rttvar_us += (delta - p->rttvar_us) / 4;
	p->srtt_us += (rtt_us - p->srtt_us) / 8;
}

int64_t path_patience_us(const struct path *p)
{
	const int64_t us = 2 * p->srtt_us + 4 * p->rttvar_us;

	if (p->srtt_us == 0)
		return (int64_t)PROTO_HELLO_RETRY_MIN_MS * 1000;
	return us > PROTO_SILENCE_MIN_MS * 1000 ? us : PROTO_SILENCE_MIN_MS * 1000;
}

int64_t path_reprobe_us(const struct path *p)
{
	if (p->srtt_us == 0)
		return (int64_t)PROTO_HELLO_RETRY_MIN_MS * 1000;
	return p->srtt_us > PROTO_REPROBE_MIN_MS * 1000 ? p->srtt_us : PROTO_REPROBE_MIN_MS * 1000;
}

static void probe_lost(struct path *p, bool lost)
{
	const uint32_t sample = lost ? POLICY_PPM : 0;

	p->probe_loss_ppm = (uint32_t)(((uint64_t)p->probe_loss_ppm * 7 + sample) / 8);
}

void path_pinged(struct path *p, uint32_t id, struct jv_time now)
{
	if (p->ping_out)
		probe_lost(p, true);
	if (p->unanswered == 0)
		p->silent_since = now;
	else
		p->stable_since = now;
	if (p->unanswered < UINT8_MAX)
		p->unanswered++;
	p->ping_id = id;
	p->ping_out = true;
	p->ping_sent = now;
	p->ping_sent_count = p->sent + 1; /* the PING counts itself */
}

static void window_begin(struct path *p, const struct path_report *report, struct jv_time now)
{
	p->window_open = true;
	p->window_start = now;
	p->base_sent = p->ping_sent_count;
	p->base_peer_received = report->received;
	p->base_peer_sent = report->sent;
	p->base_received = p->received;
}

static uint32_t loss_of(uint32_t sent, uint32_t received)
{
	if (sent < LOSS_LEAST_PACKETS || received >= sent)
		return 0;
	return (uint32_t)((uint64_t)(sent - received) * POLICY_PPM / sent);
}

void path_reported(struct path *p, const struct path_report *report, struct jv_time now)
{
	const bool progress = report->received != p->peer_received;

	p->peer_received = report->received;
	if (progress)
		p->deaf = false;
	else if (p->unanswered > 0 && time_diff_us(now, p->silent_since) > path_patience_us(p))
		p->deaf = true;
}

void path_answered(struct path *p, struct jv_time now)
{
	if (p->ping_out)
		probe_lost(p, false);
	p->ping_out = false;
	p->unanswered = 0;
	p->deaf = false;
	p->last_pong = now;
}

bool path_ponged(struct path *p, const struct path_report *report, uint32_t window_ms, struct jv_time now)
{
	uint32_t there, back;

	path_answered(p, now);
	if (!p->window_open) {
		window_begin(p, report, now);
		return false;
	}
	if (time_since_ms(now, p->window_start) < window_ms)
		return false;
	there = loss_of(p->ping_sent_count - p->base_sent, report->received - p->base_peer_received);
	back = loss_of(report->sent - p->base_peer_sent, p->received - p->base_received);
	p->loss_ppm = there > back ? there : back;
	window_begin(p, report, now);
	return true;
}

bool path_may_send(struct path *p, uint32_t len)
{
	if (p->proven)
		return true;
	if ((uint64_t)p->credit_tx + len > (uint64_t)p->credit_rx * PROTO_AMPLIFICATION)
		return false;
	p->credit_tx += len;
	return true;
}

bool path_is_warm(const struct path *p, const struct policy *policy)
{
	return p->known && p->proven && p->srtt_us != 0 && p->unanswered < policy->max_consecutive_drops;
}

bool path_is_better(const struct path *a, const struct path *b, const struct policy *policy)
{
	const bool warm_a = path_is_warm(a, policy), warm_b = path_is_warm(b, policy);

	if (warm_a != warm_b)
		return warm_a;
	if (a->loss_ppm != b->loss_ppm)
		return a->loss_ppm < b->loss_ppm;
	if (warm_a && a->srtt_us != b->srtt_us)
		return a->srtt_us < b->srtt_us;
	if (a->stable_since.us != b->stable_since.us)
		return time_before(a->stable_since, b->stable_since);
	return a->number < b->number;
}
