/*
 * By how much our age of a session differs from the peer's, as the packets tell that bear his.
 *
 * On the thread of the engine.
 */
#include "session/skew.h"

/* Our age less the one that the peer tells, which can be any number. */
static int64_t age_difference(const struct session *s, uint64_t peer_age_us, struct jv_time now)
{
	const int64_t most = INT64_C(1) << 60;
	int64_t age = (int64_t)peer_age_us;

	age = age > most ? most : age < -most ? -most : age;
	return (int64_t)session_age_us(s, now) - age;
}

void skew_sample(struct session *s, uint64_t peer_age_us, int64_t rtt_us, struct jv_time now)
{
	const int64_t sample = age_difference(s, peer_age_us, now);
	const int64_t drift = time_diff_us(now, s->age_sampled) / 2000;

	if (!s->age_known || rtt_us >= 0)
		s->age_offset_us = rtt_us >= 0 ? sample - rtt_us / 2 : sample;
	else if (sample < s->age_offset_us + drift)
		s->age_offset_us = sample;
	else
		s->age_offset_us += drift;
	s->age_known = true;
	s->age_sampled = now;
}

int64_t skew_request_age_us(const struct session *s, uint64_t peer_age_us, struct jv_time now)
{
	const int64_t sample = age_difference(s, peer_age_us, now);

	return s->age_known ? sample - s->age_offset_us : 0;
}

bool skew_is_stale(const struct session *s, uint64_t peer_age_us, struct jv_time now)
{
	return skew_request_age_us(s, peer_age_us, now) > (int64_t)s->policy->proof_max_age_ms * 1000;
}
