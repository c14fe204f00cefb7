/*
 * Many clients and one server of one core, under virtual time: what the server does takes time, its sockets hold so much and
 * no more, and what comes meanwhile waits or is lost. The server works through its turns as a worker does (worker/in.c,
 * worker/worker.c), and shares its core with the thread of the key agreements.
 *
 * The costs are those of a real machine times 100, so 300 clients are to it what 30,000 are to that machine.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "make.h"
#include "session/engine.h"
#include "session/session.h"

#define CROWD_START_US 1000000000
#define CROWD_PATHS 2
#define CROWD_SOCKETS 64

struct crowd;

struct crowd_client {
	struct config *config;
	struct engine *e;
	struct prng rng;
	unsigned int index;
	bool rude;     /* it asks again and again, without ever waiting longer */
	bool stays;    /* it does not leave once it is attached */
	bool attached; /* since it has come */
	struct jv_time came, timer_at;
	uint64_t life; /* events of an earlier one are void */
	struct {
		uint32_t id;
		uint8_t path;
		bool open;
	} socket[CROWD_SOCKETS];
	bool cut[CROWD_PATHS];        /* nothing passes there */
	int64_t data_us;              /* sends an inner packet so often; 0: never */
	uint64_t data_sent, data_got; /* those, and what of them came out at the server */
};

struct crowd_costs { /* microseconds of the core */
	int64_t receive, sealed, hello, send, deliver, done, turn, dh;
};

struct crowd_queue {
	struct crowd_datagram *first, *last;
	size_t n, most;
	uint64_t dropped;
};

struct crowd {
	struct jv_time now;
	struct config *config;
	struct engine *server;
	bool up;
	struct prng rng;
	struct crowd_client *client;
	unsigned int clients;
	int64_t delay_us;
	int64_t hold_us; /* an attached client leaves after so long, and comes back as a new one; 0: it stays */
	struct crowd_costs cost;
	/* the core */
	int64_t worker_us, pool_us; /* what each has had of it */
	struct jv_time free_at, wake_at;
	unsigned int sent; /* datagrams, in this step */
	unsigned int delivered;
	struct crowd_queue sealed, hellos;
	enum { TURN_SEALED, TURN_DONE, TURN_HELLOS, TURN_TICK } phase;
	unsigned int left; /* in this phase */
	uint64_t dropped_seen;
	struct list jobs, done;
	/* what is seen */
	uint64_t attached; /* clients that became attached, so far */
	uint64_t server_steps;
	struct crowd_event *event;
	size_t events, events_cap;
	uint64_t order;
	struct crowd_datagram *spare;
};

/* All clients, with so many paths each; none has come yet. */
struct crowd *crowd_new(unsigned int clients);
void crowd_free(struct crowd *c);
/* The server begins (anew), and knows nothing of before. */
void crowd_serve(struct crowd *c);
void crowd_kill(struct crowd *c);
/* This client comes, as one that has just been started, after so long. */
void crowd_come(struct crowd *c, unsigned int client, int64_t after_us);
void crowd_run(struct crowd *c, int64_t us);
/* Runs until all of the first `n` clients are attached at both ends; answers microseconds, `most` when they were not. */
int64_t crowd_until_attached(struct crowd *c, unsigned int n, int64_t most);
unsigned int crowd_attached(const struct crowd *c);
void crowd_rude(struct crowd *c, unsigned int client);
void crowd_data(struct crowd *c, unsigned int client, int64_t interval_us);
/* Nothing passes there any more, and its system says so. */
void crowd_path_dies(struct crowd *c, unsigned int client, uint8_t path);
/* Nothing passes on any path of his. */
void crowd_cut(struct crowd *c, unsigned int client, bool cut);
/* Whatever the server does takes so many times as long, key agreements excepted. */
void crowd_slower(struct crowd *c, int times);
uint64_t crowd_count(const struct crowd *c, enum counter n);
