#include "link/profile.h"

#include <stdio.h>
#include <string.h>

#define PPM 1000000u
#define DAY_US (INT64_C(86400) * 1000000)
#define RATE_MOST UINT64_C(100000000000)
#define QUEUE_LEAST 15000

size_t word_next(const char **line, const char **word)
{
	const char *p = *line + strspn(*line, " \t");
	const size_t len = *p == '#' ? 0 : strcspn(p, " \t#\n");

	*word = p;
	*line = p + len;
	return len;
}

bool word_is(const char *word, size_t len, const char *text)
{
	return strlen(text) == len && memcmp(word, text, len) == 0;
}

/* "12", "0.5": in millionths; what follows the digits is the unit. */
static bool decimal(const char *word, size_t len, uint64_t *millionths, const char **unit, size_t *unit_len)
{
	uint64_t v = 0, scale = PPM;
	size_t i = 0;

	for (; i < len && word[i] >= '0' && word[i] <= '9' && v < UINT64_MAX / 100 / PPM; i++)
		v = v * 10 + (uint64_t)(word[i] - '0');
	if (i == 0)
		return false;
	v *= PPM;
	if (i < len && word[i] == '.') {
		for (i++; i < len && word[i] >= '0' && word[i] <= '9' && scale > 1; i++)
			v += (uint64_t)(word[i] - '0') * (scale /= 10);
	}
	*millionths = v;
	*unit = word + i;
	*unit_len = len - i;
	return true;
}

struct unit {
	const char *name;
	uint64_t factor;
};

/* A number with one of these units, the last one { NULL }; at most `most` when it has been multiplied. */
static bool with_unit(const char *word, size_t len, const struct unit *units, uint64_t most, uint64_t *out)
{
	const char *unit;
	uint64_t v;
	size_t n;

	if (!decimal(word, len, &v, &unit, &n))
		return false;
	for (; units->name; units++) {
		if (!word_is(unit, n, units->name))
			continue;
		if (v / PPM > most / units->factor)
			return false;
		*out = v / PPM * units->factor + v % PPM * units->factor / PPM;
		return *out <= most;
	}
	return false;
}

bool word_time_us(const char *word, size_t len, int64_t *us)
{
	static const struct unit units[] = { { "us", 1 }, { "ms", 1000 }, { "s", 1000000 }, { NULL, 0 } };
	uint64_t v;

	if (!with_unit(word, len, units, DAY_US, &v))
		return false;
	*us = (int64_t)v;
	return true;
}

bool word_share_ppm(const char *word, size_t len, uint32_t *ppm)
{
	static const struct unit units[] = { { "%", PPM / 100 }, { NULL, 0 } };
	uint64_t v;

	if (!with_unit(word, len, units, PPM, &v))
		return false;
	*ppm = (uint32_t)v;
	return true;
}

bool word_number(const char *word, size_t len, uint64_t most, uint64_t *out)
{
	static const struct unit units[] = { { "", 1 }, { "k", 1000 }, { NULL, 0 } };

	return with_unit(word, len, units, most, out);
}

static bool rate(const char *word, size_t len, uint64_t *bps)
{
	static const struct unit units[] = {
		{ "kbit", 1000 }, { "mbit", 1000000 }, { "gbit", 1000000000 }, { NULL, 0 }
	};

	return with_unit(word, len, units, RATE_MOST, bps);
}

static bool time32(const char **line, uint32_t *us)
{
	const char *word;
	const size_t len = word_next(line, &word);
	int64_t v;

	if (!word_time_us(word, len, &v) || v > 600 * INT64_C(1000000))
		return false;
	*us = (uint32_t)v;
	return true;
}

static bool share(const char **line, uint32_t *ppm)
{
	const char *word;
	const size_t len = word_next(line, &word);

	return word_share_ppm(word, len, ppm);
}

static bool count(const char **line, uint64_t most, uint32_t *out)
{
	const char *word;
	const size_t len = word_next(line, &word);
	uint64_t v;

	if (!word_number(word, len, most, &v))
		return false;
	*out = (uint32_t)v;
	return true;
}

static bool set_burst(struct link_profile *p, const char **line)
{
	uint32_t us;

	if (!share(line, &p->burst_ppm) || !time32(line, &us))
		return false;
	p->burst_ms = us / 1000;
	return true;
}

/* A queue is said behind its rate; else it holds a tenth of a second. */
static bool set_rate(struct link_profile *p, const char **line)
{
	const char *word;
	const size_t len = word_next(line, &word);

	if (!rate(word, len, &p->rate_bps))
		return false;
	p->queue_bytes = p->rate_bps / 80 < QUEUE_LEAST ? QUEUE_LEAST : (uint32_t)(p->rate_bps / 80);
	return true;
}

static const char *const kinds[LINK_KINDS] = {
#define X(NAME, name) #name,
	LINK_KIND_LIST(X)
#undef X
};

static bool kind(const char *word, size_t len, uint32_t *out)
{
	for (unsigned int i = 0; i < LINK_KINDS; i++)
		if (word_is(word, len, kinds[i])) {
			*out = 1u << i;
			return true;
		}
	*out = 0;
	return word_is(word, len, "any");
}

/* "200-1500", when there is one. */
static bool lengths(const char **line, struct link_rule *r)
{
	const char *word, *rest = *line, *dash;
	const size_t len = word_next(&rest, &word);
	uint64_t least, most;

	r->most = UINT16_MAX;
	if (len == 0 || *word < '0' || *word > '9')
		return true;
	dash = memchr(word, '-', len);
	if (!dash || !word_number(word, (size_t)(dash - word), UINT16_MAX, &least) ||
	    !word_number(dash + 1, (size_t)(word + len - dash - 1), UINT16_MAX, &most) || least > most)
		return false;
	r->least = (uint16_t)least;
	r->most = (uint16_t)most;
	*line = rest;
	return true;
}

static bool add_rule(struct link_profile *p, const char **line)
{
	struct link_rule r = { 0 };
	const char *word;
	size_t len = word_next(line, &word);

	if (word_is(word, len, "none"))
		return p->rules = 0, true;
	if (p->rules == LINK_RULES || !kind(word, len, &r.kinds) || !lengths(line, &r))
		return false;
	len = word_next(line, &word);
	if (word_is(word, len, "ce"))
		r.ce = true;
	else if (!(word_is(word, len, "drop")     ? share(line, &r.drop_ppm)
		   : word_is(word, len, "double") ? share(line, &r.double_ppm)
		   : word_is(word, len, "delay")  ? time32(line, &r.delay_us)
						  : false))
		return false;
	p->rule[p->rules++] = r;
	return true;
}

bool profile_wants_kinds(const struct link_profile *p)
{
	for (uint8_t i = 0; i < p->rules; i++)
		if (p->rule[i].kinds)
			return true;
	return false;
}

/* What follows the word: 1 it is taken, 0 it is not of that kind, -1 the word is none of ours. */
static int take(struct link_profile *p, const char *word, size_t len, const char **line)
{
	if (word_is(word, len, "delay"))
		return time32(line, &p->delay_us);
	if (word_is(word, len, "jitter"))
		return time32(line, &p->jitter_us);
	if (word_is(word, len, "loss"))
		return share(line, &p->loss_ppm);
	if (word_is(word, len, "burst"))
		return set_burst(p, line);
	if (word_is(word, len, "dup"))
		return share(line, &p->dup_ppm);
	if (word_is(word, len, "reorder"))
		return share(line, &p->reorder_ppm) && time32(line, &p->reorder_us);
	if (word_is(word, len, "rate"))
		return set_rate(p, line);
	if (word_is(word, len, "queue"))
		return count(line, 1u << 30, &p->queue_bytes);
	if (word_is(word, len, "mtu"))
		return count(line, 65535, &p->mtu);
	if (word_is(word, len, "actor"))
		return add_rule(p, line);
	if (word_is(word, len, "blackhole"))
		return p->blackhole = true;
	if (word_is(word, len, "none"))
		return *p = (struct link_profile){ 0 }, true;
	return -1;
}

const char *profile_parse(struct link_profile *p, const char *line, char error[PROFILE_ERROR_MAX])
{
	struct link_profile got = *p;

	for (;;) {
		const char *word, *rest = line;
		const size_t len = word_next(&rest, &word);
		const int taken = len > 0 ? take(&got, word, len, &rest) : -1;

		if (taken == 0) {
			snprintf(error, PROFILE_ERROR_MAX,
				 "%.*s: wants delay|jitter TIME, loss|dup SHARE, burst|reorder SHARE TIME, "
				 "rate N(k|m|g)bit, queue BYTES, mtu BYTES, actor none, or actor KIND "
				 "[LEAST-MOST] drop|double SHARE, delay TIME or ce (TIME: 5ms, SHARE: 3%%)",
				 (int)(len < 16 ? len : 16), word);
			return NULL;
		}
		if (taken < 0) {
			*p = got;
			return len > 0 ? word : "";
		}
		line = rest;
	}
}
