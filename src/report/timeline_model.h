/*
 * What audit logs tell of sessions, put in order to be drawn: lanes (one for each end of each session), their events
 * in time, and episodes (from leaving ATTACHED until it is ATTACHED again or over).
 *
 * Time is microseconds since 1970: of each run of a daemon the boot clock, laid on the wall clock by its first
 * record. The two ends are as exact to one another as their wall clocks are.
 */
#pragma once

#include "audit/record.h"
#include "jumpvpn/proto.h"

struct tl_event {
	int64_t us;
	enum audit_event event;
	enum reason reason;
	enum state from, to;
	uint8_t path_from, path_to;
	uint32_t srtt_us, loss_ppm, retry_after_ms, late_ms, epoch;
	uint64_t count;
	uint32_t span_ms; /* of several state changes in one record: so long before `us` they began, */
	uint8_t worst;    /* and the worst state they led to; STATE_COUNT: it is one change */
	char remote[ENDPOINT_STRLEN];
};

struct tl_lane {
	uint8_t id[16];
	bool client;
	uint8_t node_id;
	unsigned int daemon;
	char peer[AUDIT_PEER_MAX + 1];
	char path_name[PROTO_PATHS_MAX][AUDIT_PATH_NAME_MAX + 1];
	struct tl_event *event; /* owned, by time */
	size_t events, cap;
	int64_t until; /* the last record of its daemon's run: so long nothing else has happened */
	bool cut;      /* that run is over, and had not ended the session: it was killed */
};

struct tl_episode {
	unsigned int lane;
	int64_t from, to;
	enum reason cause, end;
	enum state state; /* it ended in */
	uint8_t path_from, path_to;
	unsigned int switches, denials;
};

struct timeline {
	struct tl_lane *lane;
	size_t lanes;
	struct tl_episode *episode; /* by time */
	size_t episodes;
	int64_t from, to;
	uint64_t left_out; /* sessions for which there was no room */
	uint64_t skipped;  /* lines that could not be read */
	uint64_t lost;     /* records, by the word of AuditGaps */
	bool colour;
};

/* A path of a lane by name, or by number. */
const char *timeline_path(const struct tl_lane *l, uint8_t path, char buf[16]);
/* "client of alice", "server, node 1" */
const char *timeline_end(const struct tl_lane *l, char buf[96]);
/* The worst state that a sum of state changes led to; STATE_COUNT: it is none. */
uint8_t timeline_worst(const struct audit_record *r);
/* State of the lane at each of `n` columns over from..to, the worst where several share one; STATE_COUNT: none. */
void timeline_raster(const struct tl_lane *l, int64_t from, int64_t to, uint8_t *column, size_t n);
/* The same for the active path, the last one. */
void timeline_raster_path(const struct tl_lane *l, int64_t from, int64_t to, uint8_t *column, size_t n);
/* UTC: date and time, or the time of day with as many digits as `step_us` needs. */
const char *timeline_date(int64_t us, char buf[40]);
const char *timeline_clock(int64_t us, int64_t step_us, char buf[40]);
/* "84 ms", "2.5 s", "3 min 20 s" */
const char *timeline_span(int64_t us, char buf[32]);
/* A round step of at most `most` ticks for this span. */
int64_t timeline_step(int64_t span_us, unsigned int most);
/* One sentence on an episode. */
void timeline_tell(const struct timeline *t, const struct tl_episode *e, char *buf, size_t cap);
