#include "link/link.h"

#define PPM 1000000u

static bool chance(struct link *l, uint32_t ppm)
{
	return ppm > 0 && prng_below(&l->rng, PPM) < ppm;
}

static int64_t up_to(struct link *l, uint32_t us)
{
	return us > 0 ? (int64_t)prng_below(&l->rng, (uint64_t)us + 1) : 0;
}

void link_init(struct link *l, const struct link_profile *profile, uint64_t seed)
{
	*l = (struct link){ .profile = *profile, .rng = { seed } };
}

static bool is_lost(struct link *l, size_t len, struct jv_time now)
{
	const struct link_profile *p = &l->profile;

	if (chance(l, p->burst_ppm) && !time_before(now, l->burst_until))
		l->burst_until = time_add_us(now, (int64_t)p->burst_ms * 500 + up_to(l, p->burst_ms * 500));
	if (p->blackhole || time_before(now, l->burst_until))
		return true;
	return (p->mtu > 0 && len > p->mtu) || chance(l, p->loss_ppm);
}

/* Waits for its turn on a link of bounded rate; false when the queue before it is full. */
static bool takes_turn(struct link *l, size_t len, struct jv_time now, struct jv_time *leaves)
{
	const uint64_t rate = l->profile.rate_bps;
	const struct jv_time start = time_max(now, l->busy_until);

	*leaves = now;
	if (rate == 0)
		return true;
	if ((uint64_t)time_diff_us(start, now) * rate / 8000000 + len > l->profile.queue_bytes)
		return false;
	*leaves = l->busy_until = time_add_us(start, (int64_t)((uint64_t)len * 8000000 / rate));
	return true;
}

static struct jv_time arrival(struct link *l, struct jv_time leaves)
{
	const struct link_profile *p = &l->profile;
	struct jv_time at = time_add_us(leaves, p->delay_us + up_to(l, p->jitter_us));

	if (chance(l, p->reorder_ppm))
		return time_add_us(at, up_to(l, p->reorder_us));
	at = time_max(at, l->last);
	l->last = at;
	return at;
}

unsigned int link_send(struct link *l, size_t len, struct jv_time now, struct jv_time at[LINK_COPIES_MAX])
{
	struct jv_time leaves;
	unsigned int copies = 0;

	if (is_lost(l, len, now) || !takes_turn(l, len, now, &leaves))
		return 0;
	at[copies++] = arrival(l, leaves);
	if (chance(l, l->profile.dup_ppm))
		at[copies++] = arrival(l, leaves);
	return copies;
}

static bool fits(const struct link_rule *r, const struct link_packet *p)
{
	return (r->kinds == 0 || r->kinds & p->kinds) && p->len >= r->least && p->len <= r->most;
}

bool link_meets(struct link *l, const struct link_packet *packet, struct link_fate *fate)
{
	*fate = (struct link_fate){ .copies = 1 };
	for (uint8_t i = 0; i < l->profile.rules; i++) {
		const struct link_rule *r = &l->profile.rule[i];

		if (!fits(r, packet))
			continue;
		if (chance(l, r->drop_ppm))
			return false;
		fate->copies += chance(l, r->double_ppm);
		fate->delay_us += r->delay_us;
		fate->ce = fate->ce || r->ce;
	}
	return true;
}
