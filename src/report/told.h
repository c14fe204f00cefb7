/*
 * What an audit log tells of its sessions, as the verifier keeps it: the ones that live, by daemon and SessionID, and
 * the ids of those that ended last. Memory grows with what lives at one time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/record.h"
#include "base/list.h"

#define TOLD_WORKERS 256
#define TOLD_RECENT 4096 /* ended sessions that are remembered, to tell "ended" from "never created" */

/* Of one kind, in the last minute. */
struct told_moves {
	struct jv_time *at; /* oldest first; owned */
	uint8_t n, cap;
	struct jv_time last; /* TIME_NEVER: none yet */
};

/* A session as its records tell it, at one end. */
struct told {
	struct told *next; /* of its bucket */
	struct origin *origin;
	uint8_t id[16];
	uint8_t worker, active;
	bool client;
	uint64_t gaps;   /* of its worker, as far as it has been taken up again behind them */
	bool adopted;    /* records of it are missing */
	bool taken_over; /* another node has it now (I11) */
	struct jv_time minute; /* from which `changes` of its state are counted; and in the minute before */
	uint64_t changes, changes_before;
	uint64_t tx_packets; /* sent when it entered ATTACHED (I12) */
	enum state state;
	enum reason why; /* of the last transition */
	uint32_t state_version, binding_version;
	uint32_t max_before; /* switches a minute that a switch under way may have been judged by; 0: none */
	uint32_t cooldown_before;
	struct audit_bounds bounds;
	struct jv_time born, since, left_attached, bounds_at; /* TIME_NEVER: not known, or not the case */
	struct jv_time last;
	uint64_t line; /* of the last record */
	struct told_moves switches, rebindings;
};

/* One run of one daemon. */
struct origin {
	struct list node;
	uint32_t number;
	uint64_t missing;                      /* records that may explain what is not there */
	uint64_t gaps[TOLD_WORKERS], gaps_any; /* how often records were missing; any: of whatever worker */
	size_t living;
	struct jv_time last[TOLD_WORKERS]; /* when each worker was seen to run, in time */
};

struct told_table {
	struct told **bucket; /* owned, and what hangs on it */
	size_t buckets;       /* power of two */
	uint64_t living, sessions;
	struct list origins;
	struct {
		uint32_t number;
		uint8_t id[16];
	} recent[TOLD_RECENT];
	size_t ended;
};

bool told_init(struct told_table *tt); /* false without memory */
void told_free(struct told_table *tt);
struct told *told_find(const struct told_table *tt, uint32_t number, const uint8_t id[16]); /* or NULL */
/* The session of `r`, from here on; NULL without memory. */
struct told *told_new(struct told_table *tt, struct origin *o, const struct audit_record *r);
void told_forget(struct told_table *tt, struct told *t);
/* It has ended: forgotten but for its id. */
void told_ended(struct told_table *tt, struct told *t);
bool told_has_ended(const struct told_table *tt, uint32_t number, const uint8_t id[16]);
/* The first of all daemons' sessions that may have this id; go on by `next`, and compare. */
struct told *told_first(const struct told_table *tt, const uint8_t id[16]);
/* How often records were missing that may have been of this session. */
uint64_t told_gaps(const struct told *t);
/* Records are missing: what comes next is taken as it is. */
bool told_is_unsure(const struct told *t);
struct origin *told_origin(struct told_table *tt, uint32_t number); /* made when new; NULL without memory */
void told_origin_free(struct origin *o);
