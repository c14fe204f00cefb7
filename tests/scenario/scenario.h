/*
 * Scenario files: what befalls two ends and their paths, and what must come of it.
 *
 * One text format, run by the simulator under virtual time and by the namespace runner with real daemons. A line is a
 * statement, a blank line or, from "#" on, a comment:
 *
 *     title   Silent death with a warm backup
 *     only    sim|net                            where it runs; without: in both
 *     path    NAME [v6] [nat] [over PATH] [WORDS]  a candidate, in order of preference; WORDS of link/profile.h
 *     policy  SECTION.KEY VALUE                  of the server; times may be said as 5s
 *     traffic every 1ms [size 100]               numbered probes, echoed by the server
 *     net: traffic tcp up|down|both RATE         checked streams
 *     at T [every D until T] OPERATION           see SCN_OP_LIST
 *     expect  client|server|both WHAT [REASON] [on PATH] within D of T | between D and D of T
 *     never   client|server|both WHAT [REASON] [after T] [before T]
 *     finally client|server|both STATE [on PATH]
 *     bound   MEASURE [at least] N               see SCN_MEASURE_LIST
 *     end     T                                  when all is over
 *
 * A line that begins with "sim:" or "net:" is for that runner alone; one that a runner cannot do is refused there. WHAT is the
 * state that is entered, or the event_type of an audit record. The expectations of one end must come true in
 * the order of the file. Time 0 is when the session is attached and every path that is not dead is warm.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "audit/record.h"
#include "jumpvpn/policy.h"
#include "link/profile.h"

#define SCN_PATHS 4
#define SCN_EVENTS 256
#define SCN_CHECKS 64
#define SCN_TEXT 160
#define SCN_NAME 16
#define SCN_ERROR (2 * SCN_TEXT + 256)

enum scn_end { SCN_CLIENT, SCN_SERVER, SCN_ENDS };
enum scn_way { SCN_UP = 1, SCN_DOWN = 2 }; /* bits; up is from the client */
enum scn_runner { SCN_SIM = 1, SCN_NET = 2 };

/* X(NAME, name, what follows it) */
#define SCN_OP_LIST(X)                                     \
	X(LINK, link, "PATH both|up|down WORDS|clear")     \
	X(CARRIER, carrier, "PATH off|on")                 \
	X(INTERFACE, interface, "PATH down|up")            \
	X(ADDR, addr, "PATH lost v4|v6|all, or PATH back") \
	X(NAT, nat, "PATH rebind|poison")                  \
	X(JUMP, jump, "PATH")                              \
	X(TERMINATE, terminate, "client|server")           \
	X(RELOAD, reload, "SECTION.KEY VALUE")             \
	X(RESTART, restart, "client|server [after TIME]")  \
	X(SUSPEND, suspend, "client|server TIME")          \
	X(REPLAY, replay, "N/s for TIME")                  \
	X(FORGE, forge, "N/s for TIME")

enum scn_op {
#define X(NAME, name, follows) SCN_OP_##NAME,
	SCN_OP_LIST(X)
#undef X
		SCN_OPS
};

/* X(NAME, name, unit, what it is): the most there may be, or with "at least" the least */
#define SCN_MEASURE_LIST(X)                                                       \
	X(GAP, gap, "ms", "longest time between two probes that came back")       \
	X(LOST, lost, "", "probes that never came back")                          \
	X(LOST_PERCENT, lost_percent, "%", "probes that never came back, of all") \
	X(SWITCHES, switches, "", "TransportSwitch records of one end")           \
	X(SESSIONS, sessions, "", "sessions that were attached at the client")    \
	X(RECORDS, records, "", "audit records of one end")

enum scn_measure {
#define X(NAME, name, unit, what) SCN_##NAME,
	SCN_MEASURE_LIST(X)
#undef X
		SCN_MEASURES
};

struct scn_path {
	char name[SCN_NAME];
	bool v6, nat;
	uint8_t wire; /* the path whose link it uses: itself, unless "over" */
	struct link_profile profile;
	char words[SCN_TEXT];
};

struct scn_event {
	int64_t at_us;
	enum scn_op op;
	uint8_t path;
	uint8_t ways;         /* LINK: bits of enum scn_way */
	bool clear;           /* LINK: back to the profile of the path */
	char words[SCN_TEXT]; /* LINK, RELOAD: what was said */
	bool on;              /* CARRIER, INTERFACE, ADDR: it is back; NAT: poison */
	bool v4, v6;          /* ADDR: what is lost */
	enum scn_end end;     /* TERMINATE, RESTART, SUSPEND */
	int64_t lasts_us;     /* RESTART: how long it is away; SUSPEND, REPLAY, FORGE */
	uint32_t per_s;       /* REPLAY, FORGE */
	size_t policy_at;     /* RELOAD: offset in struct policy, and the new value */
	uint32_t policy_value;
	unsigned int line;
};

enum scn_check_kind { SCN_EXPECT, SCN_NEVER, SCN_FINALLY, SCN_BOUND };

struct scn_check {
	enum scn_check_kind kind;
	enum scn_end end;
	bool is_state; /* else an audit event */
	enum state state;
	enum audit_event event;
	enum reason reason;        /* NONE: any */
	uint8_t path;              /* AUDIT_NO_PATH: any */
	int64_t of_us;             /* EXPECT: the times count from here */
	int64_t least_us, most_us; /* EXPECT: between; NEVER: after and before */
	enum scn_measure measure;
	bool at_least;
	double bound;
	unsigned int line;
};

struct scn {
	char file[256];
	char title[SCN_TEXT];
	unsigned int runners; /* bits of enum scn_runner */
	struct scn_path path[SCN_PATHS];
	uint8_t paths;
	struct policy policy;
	int64_t probe_every_us; /* 0: none */
	uint32_t probe_size;
	unsigned int tcp_ways; /* bits of enum scn_way */
	uint32_t tcp_mbit;
	struct scn_event event[SCN_EVENTS];
	size_t events; /* sorted by time */
	struct scn_check check[SCN_CHECKS];
	size_t checks;
	int64_t end_us;
};

/* As that runner is to see it. False: `error` says file, line, what is wrong and what is allowed. */
bool scn_read(struct scn *s, const char *file, enum scn_runner runner, char error[SCN_ERROR]);
bool scn_parse(struct scn *s, const char *file, const char *text, enum scn_runner runner,
	       char error[SCN_ERROR]);
/* What is checked, in words: "client VOLATILE consecutive_drop_exceeded". */
void scn_check_text(const struct scn *s, const struct scn_check *c, char out[SCN_TEXT]);
/* "section.key" at this offset of struct policy, or NULL; how to say its value in YAML. */
const char *scn_policy_key(size_t at);
void scn_policy_value(size_t at, uint32_t value, char out[32]);

/* --- what came of it --- */

struct scn_record {
	int64_t at_us; /* since time 0 */
	enum scn_end end;
	enum audit_event event;
	enum state to; /* of SessionStateChange */
	enum reason reason;
	uint8_t path; /* AUDIT_NO_PATH: none named */
	uint8_t session_id[16];
};

struct scn_outcome {
	struct scn_record *record; /* in the order of each log; free() it */
	size_t records, cap;
	uint64_t sent, came_back;
	int64_t gap_us;
	int64_t first_lost_us, last_lost_us; /* when the first and the last probe that did not come back were sent (net) */
	/* When the events of a moment really happened (net): pairs, sorted; without, as planned. */
	struct {
		int64_t planned_us, done_us;
	} moment[SCN_EVENTS];
	size_t moments;
};

struct scn_verdict {
	bool ok;
	bool measured; /* else it never came */
	double value;  /* of expectations: ms behind `of` */
	double bound;
	const char *unit;
	char text[SCN_TEXT];
};

void scn_record_add(struct scn_outcome *o, struct scn_record r);
/*
 * One verdict for each check. `slack` multiplies the times (1: exact; 0: however long it took, so that order, states,
 * reasons, counts and losses are judged alone; then what was sent while nobody had noticed yet that the path is silent
 * is not a loss, since it grows with that time). Answers how many are not ok.
 */
size_t scn_judge(const struct scn *s, const struct scn_outcome *o, double slack, struct scn_verdict *out);
/* Has come what the plan expects up to then, however long it took? */
bool scn_reached(const struct scn *s, const struct scn_outcome *o, int64_t planned_us);
/* One line each, the good ones too when `all`; and as a JSON object on one line. */
void scn_print(FILE *f, const struct scn_verdict *v, size_t n, bool all);
void scn_print_json(FILE *f, const struct scn *s, const char *runner, const struct scn_verdict *v, size_t n);
