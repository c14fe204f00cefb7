/* `jumpvpnd timeline`: what happened to a session, as a picture and as text. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "cmd/cmd.h"
#include "cmd/options.h"
#include "report/logs.h"
#include "report/timeline_svg.h"
#include "report/timeline_text.h"

static const char usage[] =
	"usage: jumpvpnd timeline [--session ID] [--from TIME] [--to TIME] [-o FILE.svg] LOG...\n\n"
	"Tells from audit logs what happened to sessions: as text, and with -o as a picture. Give the logs of both\n"
	"ends to see both. \"jumpvpnd verify\" tells whether the logs are whole and right; this does not.\n\n"
	"  --session ID  only the session with this id, or the beginning of one, or those of this peer\n"
	"  --from TIME   not what was before: 2026-11-22T17:01:02Z, or seconds behind the first record\n"
	"  --to TIME     not what comes after\n"
	"  -o FILE.svg   write the picture there (\"-\": to standard output), and no text\n\n" CMD_EXIT_CODES;

enum { LANES_MAX = 24, EVENTS_MAX = 1000000 };

struct options {
	const char *session, *out, *from, *to;
};

struct clock { /* of one daemon's present run */
	uint8_t run[AUDIT_RUN_LEN];
	bool known;
	int64_t offset_us, last_us;
};

struct reading {
	struct timeline t;
	const struct options *o;
	struct clock *clock;
	size_t events;
	int64_t first_us;
	bool any;
};

/* --- lanes --- */

/* By ID or peer; or it is the other end of a session that is: the client's log has no name for its peer but "server". */
static bool is_wanted(const struct reading *rd, const struct audit_record *r)
{
	const char *wanted = rd->o->session;
	char hex[33];

	hex_encode(hex, r->session_id, 16);
	if (!wanted || strncasecmp(hex, wanted, strlen(wanted)) == 0 || strcmp(r->peer, wanted) == 0)
		return true;
	for (size_t i = 0; i < rd->t.lanes; i++)
		if (memcmp(rd->t.lane[i].id, r->session_id, sizeof(r->session_id)) == 0)
			return true;
	return false;
}

static struct tl_lane *lane_of(struct reading *rd, unsigned int daemon, const struct audit_record *r)
{
	struct timeline *t = &rd->t;
	struct tl_lane *l;

	for (size_t i = t->lanes; i > 0; i--) {
		l = &t->lane[i - 1];
		if (l->daemon == daemon && memcmp(l->id, r->session_id, sizeof(l->id)) == 0)
			return l;
	}
	if (t->lanes == LANES_MAX) {
		t->left_out += r->event == AUDIT_SESSION_CREATED;
		return NULL;
	}
	l = &t->lane[t->lanes++];
	memset(l, 0, sizeof(*l));
	memcpy(l->id, r->session_id, sizeof(l->id));
	l->client = r->client;
	l->node_id = r->node_id;
	l->daemon = daemon;
	return l;
}

static bool lane_add(struct tl_lane *l, const struct audit_record *r, int64_t us)
{
	struct tl_event *e;

	if (l->events == l->cap) {
		const size_t cap = l->cap ? 2 * l->cap : 64;

		e = realloc(l->event, cap * sizeof(*e));
		if (!e)
			return false;
		l->event = e;
		l->cap = cap;
	}
	e = &l->event[l->events++];
	*e = (struct tl_event){ .us = us,
				.event = r->event,
				.reason = r->reason,
				.from = r->from,
				.to = r->to,
				.path_from = r->path_from,
				.path_to = r->path_to,
				.srtt_us = r->srtt_us,
				.loss_ppm = r->loss_ppm,
				.retry_after_ms = r->retry_after_ms,
				.late_ms = r->late_ms,
				.epoch = r->epoch,
				.count = r->count,
				.span_ms = r->flaps.span_ms,
				.worst = timeline_worst(r) };
	if (r->remote.port)
		endpoint_format(&r->remote, e->remote);
	/* A summary of refusals tells of what was before. */
	for (; e > l->event && e[-1].us > e->us; e--) {
		const struct tl_event later = e[-1];

		e[-1] = e[0];
		e[0] = later;
	}
	if (r->path_name[0] && r->path_to < PROTO_PATHS_MAX)
		snprintf(l->path_name[r->path_to], sizeof(l->path_name[0]), "%.*s", AUDIT_PATH_NAME_MAX,
			 r->path_name);
	if (r->peer[0])
		snprintf(l->peer, sizeof(l->peer), "%.*s", AUDIT_PEER_MAX, r->peer);
	return true;
}

/* --- time --- */

/* A new run of this daemon: what an older one had not ended ended with it, at its last word. */
static void run_ends(struct reading *rd, unsigned int daemon)
{
	for (size_t i = 0; i < rd->t.lanes; i++) {
		struct tl_lane *l = &rd->t.lane[i];

		if (l->daemon != daemon || l->cut)
			continue;
		l->cut = true;
		l->until = rd->clock[daemon].last_us;
	}
}

static int64_t time_of(struct reading *rd, unsigned int daemon, const struct decoded *read)
{
	struct clock *c = &rd->clock[daemon];

	if (!c->known || memcmp(c->run, read->run, sizeof(c->run)) != 0) {
		run_ends(rd, daemon);
		memcpy(c->run, read->run, sizeof(c->run));
		c->known = true;
		c->offset_us = (int64_t)(read->r.ts_ms % (UINT64_C(1) << 50)) * 1000 - read->r.at.us;
	}
	return read->r.at.us + c->offset_us;
}

/* Seconds behind `first`, or a date and time in UTC. */
static bool parse_time(const char *text, int64_t first_us, int64_t *out)
{
	struct tm tm = { 0 };
	double seconds;
	const char *rest;
	char *end;

	rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	if (rest) {
		seconds = *rest == '.' ? strtod(rest, &end) : 0;
		rest = *rest == '.' ? end : rest;
		*out = (int64_t)timegm(&tm) * 1000000 + (int64_t)(seconds * 1e6);
		return strcmp(rest, "") == 0 || strcmp(rest, "Z") == 0;
	}
	seconds = strtod(text, &end);
	if (end == text || *end || !(seconds >= 0 && seconds < 1e10))
		return false;
	*out = first_us + (int64_t)(seconds * 1e6);
	return true;
}

/* --- reading --- */

static bool take(struct reading *rd, const struct logs_line *line)
{
	const struct audit_record *r = &line->read.r;
	const int64_t us = time_of(rd, line->daemon, &line->read);
	struct clock *c = &rd->clock[line->daemon];
	struct tl_lane *l;

	if (!rd->any)
		rd->first_us = us;
	rd->any = true;
	if (us > c->last_us)
		c->last_us = us;
	if (r->event == AUDIT_AUDIT_GAP)
		rd->t.lost += r->count;
	if (!r->has_session || !is_wanted(rd, r))
		return true;
	l = lane_of(rd, line->daemon, r);
	if (!l || rd->events == EVENTS_MAX)
		return true;
	rd->events++;
	return lane_add(l, r, us);
}

static bool read_all(struct reading *rd, struct logs *logs)
{
	struct logs_line *line;
	bool failed = false;

	while (logs_next(logs, &line, &failed)) {
		if (line->bad)
			rd->t.skipped++;
		else if (!take(rd, line))
			return false;
	}
	return !failed;
}

/* The server knows paths by number alone: the client's names are theirs. */
static void share_names(struct timeline *t)
{
	for (size_t i = 0; i < t->lanes; i++)
		for (size_t k = 0; k < t->lanes; k++)
			if (t->lane[i].client && !t->lane[k].client &&
			    memcmp(t->lane[i].id, t->lane[k].id, sizeof(t->lane[i].id)) == 0)
				memcpy(t->lane[k].path_name, t->lane[i].path_name,
				       sizeof(t->lane[i].path_name));
}

/* They stand in the order in which sessions began; the two ends of one come together, the client's first. */
static void sort_lanes(struct timeline *t)
{
	for (size_t i = 0; i < t->lanes; i++) {
		size_t at = i;

		for (size_t k = 0; k < i; k++)
			if (memcmp(t->lane[k].id, t->lane[i].id, sizeof(t->lane[i].id)) == 0)
				at = k + !t->lane[i].client;
		if (at < i) {
			const struct tl_lane l = t->lane[i];

			memmove(&t->lane[at + 1], &t->lane[at], (i - at) * sizeof(l));
			t->lane[at] = l;
		}
	}
}

/* --- episodes --- */

static bool add_episode(struct timeline *t, const struct tl_episode *e)
{
	struct tl_episode *more;
	size_t at = t->episodes;

	if (e->to < t->from || e->from > t->to)
		return true;
	if ((t->episodes & (t->episodes - 1)) == 0) {
		more = realloc(t->episode, (t->episodes ? 2 * t->episodes : 1) * sizeof(*more));
		if (!more)
			return false;
		t->episode = more;
	}
	for (; at > 0 && t->episode[at - 1].from > e->from; at--)
		t->episode[at] = t->episode[at - 1];
	t->episode[at] = *e;
	t->episodes++;
	return true;
}

static bool find_episodes(struct timeline *t, unsigned int lane)
{
	const struct tl_lane *l = &t->lane[lane];
	struct tl_episode ep = { .lane = lane };
	uint8_t path = AUDIT_NO_PATH;
	bool open = false;

	for (size_t i = 0; i < l->events; i++) {
		const struct tl_event *e = &l->event[i];

		if (e->event == AUDIT_SESSION_STATE_CHANGE && e->from == STATE_ATTACHED) {
			ep = (struct tl_episode){
				.lane = lane, .from = e->us, .cause = e->reason, .path_from = path
			};
			open = true;
		}
		if (open && e->event == AUDIT_TRANSPORT_SWITCH_DENIED)
			ep.denials += (unsigned int)e->count;
		if (open && e->event == AUDIT_TRANSPORT_SWITCH)
			ep.switches++;
		if (e->event == AUDIT_TRANSPORT_SWITCH || e->event == AUDIT_TRANSPORT_ATTACHED)
			path = e->path_to;
		ep.to = e->us;
		ep.state = e->to;
		ep.end = e->reason;
		ep.path_to = path;
		if (open && e->event == AUDIT_SESSION_STATE_CHANGE &&
		    (e->to == STATE_ATTACHED || e->to == STATE_TERMINATED)) {
			open = false;
			if (!add_episode(t, &ep))
				return false;
		}
	}
	ep.to = l->until;
	return !open || add_episode(t, &ep);
}

static bool finish(struct reading *rd)
{
	struct timeline *t = &rd->t;

	t->from = INT64_MAX;
	t->to = INT64_MIN;
	for (size_t i = 0; i < t->lanes; i++) {
		struct tl_lane *l = &t->lane[i];
		const struct tl_event *last = &l->event[l->events - 1];

		if (last->to == STATE_TERMINATED)
			l->until = last->us;
		else if (!l->cut)
			l->until = rd->clock[l->daemon].last_us;
		t->from = l->event[0].us < t->from ? l->event[0].us : t->from;
		t->to = l->until > t->to ? l->until : t->to;
	}
	if ((rd->o->from && !parse_time(rd->o->from, rd->first_us, &t->from)) ||
	    (rd->o->to && !parse_time(rd->o->to, rd->first_us, &t->to))) {
		fprintf(stderr,
			"jumpvpnd timeline: a time is 2026-11-22T17:01:02Z (UTC), or seconds behind the first "
			"record\n");
		return false;
	}
	if (t->to <= t->from)
		t->to = t->from + 1000;
	share_names(t);
	sort_lanes(t);
	for (unsigned int i = 0; i < t->lanes; i++)
		if (!find_episodes(t, i))
			return false;
	return true;
}

/* --- the command --- */

static int write_picture(const struct timeline *t, const char *path)
{
	FILE *f = strcmp(path, "-") == 0 ? stdout : fopen(path, "w");
	bool ok;

	if (!f) {
		fprintf(stderr, "jumpvpnd timeline: %s: %s\n", path, strerror(errno));
		return EXIT_NO;
	}
	timeline_svg(f, t);
	ok = fflush(f) == 0 && !ferror(f);
	if (f != stdout && fclose(f) != 0)
		ok = false;
	if (!ok)
		fprintf(stderr, "jumpvpnd timeline: %s: %s\n", path, strerror(errno));
	return ok ? EXIT_DONE : EXIT_NO;
}

static int draw(struct reading *rd, struct logs *logs)
{
	if (!read_all(rd, logs))
		return EXIT_NO;
	if (rd->t.lanes == 0) {
		fprintf(stderr, "jumpvpnd timeline: no such session in the log%s\n",
			rd->o->session ? "" : " (nor any)");
		return EXIT_NO;
	}
	if (!finish(rd))
		return EXIT_NO;
	if (rd->o->out)
		return write_picture(&rd->t, rd->o->out);
	timeline_text(stdout, &rd->t);
	return fflush(stdout) == 0 && !ferror(stdout) ? EXIT_DONE : EXIT_NO;
}

int cmd_timeline(int argc, char **argv)
{
	struct options o = { NULL };
	struct reading rd = { .o = &o };
	const struct option_place places[] = {
		{ .name = "session", .letter = 's', .value = &o.session },
		{ .name = "from", .value = &o.from },
		{ .name = "to", .value = &o.to },
		{ .name = "output", .letter = 'o', .value = &o.out },
		{ NULL },
	};
	const struct option_usage operands = { usage, .least = 1, .most = -1 };
	int code = options_read(argc, argv, places, &operands);
	struct logs *logs;

	if (code >= 0)
		return code;
	logs = logs_open(argv + optind, (unsigned int)(argc - optind));
	if (!logs)
		return EXIT_NO;
	rd.clock = calloc(logs_daemons(logs) + 1, sizeof(*rd.clock));
	rd.t.lane = calloc(LANES_MAX, sizeof(*rd.t.lane));
	rd.t.colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
	code = rd.clock && rd.t.lane ? draw(&rd, logs) : EXIT_NO;
	for (size_t i = 0; i < rd.t.lanes; i++)
		free(rd.t.lane[i].event);
	free(rd.t.lane);
	free(rd.t.episode);
	free(rd.clock);
	logs_close(logs);
	return code;
}
