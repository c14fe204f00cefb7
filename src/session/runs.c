#include "session/runs.h"

#include "session/session.h"

static bool is_suspect(const struct path *p, struct jv_time now)
{
	const uint32_t last = (1u << RUNS_PINGS) - 1;
	const struct health *h = path_health(p);

	return h->lost_there && (h->pings_lost & last) == 0 && !time_before(now, h->runs.not_before);
}

void runs_judge(struct path *p, const struct policy *policy, struct jv_time now)
{
	const struct health *h = p->health;
	struct runs *r = &p->health->runs;

	if (!r->singly) {
		r->singly = is_suspect(p, now);
		r->windows = 0;
		return;
	}
	if (r->found)
		return;
	if (!h->lost_there && h->loss_ppm <= policy->loss_volatile_threshold / 2) {
		r->found = true;
		p->session->engine->counters.n[COUNT_RUNS_STOPPED]++;
	} else if (++r->windows >= RUNS_WINDOWS) {
		r->singly = false;
		r->not_before = time_add_ms(now, RUNS_AGAIN_MS);
	}
}
