/*
 * One worker: a thread with a libuv loop that joins the sockets and the tunnel queue to an engine.
 *
 * Everything in struct worker belongs to its thread while that runs; worker_init() and worker_fini() are
 * called on the main thread before and after. Others reach a worker through worker_post() and, for packets
 * between workers, through rings; both wake it with uv_async_t, which stays open until no thread runs any
 * more. What privileges are needed for is opened before, by the daemon, and handed in.
 *
 * worker.c has the life and the turns of the loop, outside.c what the engine asks for, in.c what comes in, jobs.c key agreements,
 * paths.c what a client has beside.
 */
#pragma once

#include <stdatomic.h>
#include <uv.h>

#include "audit/audit.h"
#include "base/ring.h"
#include "config/config.h"
#include "net/offload.h"
#include "net/udp.h"
#include "session/engine.h"
#include "worker/refused.h"
#include "worker/share.h"

struct paths;
struct pool;
struct tun_packet;
struct work;

/* What the control loop asks of a worker; everything but the job comes back in the answer. */
enum message_kind {
	MESSAGE_CONFIGURE, /* config, peers; answered when it is in force */
	MESSAGE_COUNT,     /* fills report; answered */
	MESSAGE_WALK,      /* walk: its next step; answered */
	MESSAGE_JUMP,      /* id, path, token; answered with reason, retry_after_ms */
	MESSAGE_TERMINATE, /* id, token; answered with reason */
	MESSAGE_REKEY,     /* the same */
	MESSAGE_JOB,       /* a HELLO that another worker decrypted; not answered */
	MESSAGE_LISTEN,    /* listen: its sockets, from now on; answered */
	MESSAGE_STOP,      /* says goodbye to every peer and ends the thread; answered as its last act */
	MESSAGE_LOST,      /* from the worker, unasked and once: the tunnel device is gone */
};

struct worker_report { /* what costs the same with any number of sessions */
	uint32_t by_state[STATE_COUNT];
	uint64_t session_bytes;
	bool has_own;            /* a client: */
	struct session_info own; /* its session, or what it does to have one */
	char trouble[256]; /* a client's, with its tunnel device; "": none */
	struct counters counters;
	char *names; /* a client's names that could not be looked up; malloc'ed, NULL: none */
};

/*
 * Sessions of one worker, step by step: see engine_walk(). It belongs to who asks, and between a question and its answer to the
 * worker; who asks must not give it up before at.done.
 */
struct worker_walk {
	struct walk at;
	const char *wanted; /* NULL: all */
	bool last;          /* no step any more: it is stopped */
	struct session_info *rows;
	size_t max; /* of rows, in one step */
	size_t n;   /* rows that were filled */
};

struct message {
	enum message_kind kind;
	uint32_t worker; /* who answers */
	const struct config *config;
	struct engine_peers *peers; /* of that config, for this worker, who takes it; NULL at a client */
	struct worker_report *report;
	struct worker_walk *walk;
	struct job *job;
	struct message_listen {
		uint32_t index;
		int fd, hello_fd; /* -1: none of its own for HELLOs */
	} listen;
	uint8_t id[PROTO_SESSION_ID_LEN];
	uint8_t path;
	uint64_t token; /* the asker's business */
	enum reason reason;
	uint32_t retry_after_ms;
};

enum {
	WORKER_TX = 256,                 /* datagrams and runs of them waiting for one flush */
	WORKER_BOX = 256,                /* messages in a ring */
	WORKER_WALKS = 64,               /* walks at a time, each with one question not yet answered */
	WORKER_ASKED = WORKER_BOX - WORKER_WALKS - 2, /* other such questions: what is left is for STOP and LOST */
	TUN_BATCH = 32,                  /* reads before the sockets have their turn */
	TUN_PACKET = PROTO_MTU_MAX + 80, /* beyond any MTU: what is too big must be seen to be refused */
	COPY_SLAB = 65536,               /* of datagrams that do not stand anywhere until they are sent */
};

struct worker_socket { /* a server's listener, or what it takes HELLOs by, or a client's path */
	struct worker *worker;
	uv_poll_t poll;
	int fd;
	uint32_t id;
	bool open;        /* the poll handle is active */
	bool hellos;      /* a server's, for HELLOs: */
	bool waits;       /* something has come, and is read behind all other sockets */
	uint32_t dropped; /* of udp_dropped(), what has been counted */
	struct list node; /* client: of worker->path_sockets */
};

struct worker {
	void (*wake_control)(void *control); /* any thread: audit records or an answer are waiting */
	void *control;
	struct worker *siblings; /* all workers, by index, this one too */
	uint32_t index, workers;
	const char *tunnel;         /* name of the device */
	const uint8_t *machine;     /* 32 bytes: machine.h */
	const uint8_t *cookie_seed; /* 32 random bytes */
	uv_thread_t thread;
	uv_sem_t gate;  /* the thread waits behind it to be started */
	int cpu;        /* to stay on, or AFFINITY_ANY */
	bool running;   /* control loop: the thread exists and has not been joined */
	uint32_t asked; /* control loop: questions not yet answered */
	bool looping;   /* the loop has been made */
	uv_loop_t loop;
	uv_async_t wake;
	uv_poll_t held;       /* of descriptors_reserve() */
	uint64_t descriptors; /* that the process may come to need */
	int timer_fd;
	uv_poll_t timer;
	uv_prepare_t prepare;
	uv_check_t check;
	uv_poll_t tun_poll;
	int tun_fd, tun_index; /* of the interface */
	struct worker_socket *listeners;
	struct worker_socket *hellos; /* beside each of them; fd -1 where the kernel cannot tell them apart */
	size_t nlisteners;
	struct engine *engine;
	struct paths *paths;      /* NULL on a server */
	struct list path_sockets; /* struct worker_socket, of a client */
	const struct config *config;
	struct audit_ring *audit;
	bool audited; /* something was pushed since the control loop was woken */
	bool stopping;
	_Atomic bool cloned; /* the control loop says so */
	struct pool *pool;         /* of all workers: key agreements */
	struct work *to_do, *to_do_last; /* for it, with the end of this turn */
	size_t to_do_n;
	_Atomic(struct work *) done; /* by it, the newest first */
	size_t jobs;               /* under way, or in one of these */
	_Atomic uint64_t beats;    /* turns of the loop, for the watchdog */
	_Atomic uint64_t sessions; /* as counted at the last turn */
	struct jv_time due;        /* engine_next(), as of the last prepare */
	struct jv_time armed;      /* when the timer will fire, or TIME_NEVER */

	struct ring *inbox;    /* from the control loop */
	struct ring *outbox;   /* to the control loop */
	struct ring **mail;    /* from worker i: messages */
	struct ring **packets; /* from worker i: packets that surfaced there */

	struct udp_datagram rx[UDP_BATCH];
	uint8_t *rx_slab;   /* UDP_BATCH * UDP_ROOM */
	bool short_ones;    /* that is what came last */
	struct merge merge; /* packets on their way to the tunnel, in merge_slab */
	uint8_t *merge_slab;
	struct merge_kinds merge_kinds;
	bool tun_header;             /* before each packet of the tunnel */
	_Atomic bool tun_singly;     /* the device has refused a super-packet: none is offered to it any more */
	struct tun_packet *inner; /* what was read from the tunnel last */
	bool runs;                /* the kernel sends runs of datagrams */
	struct refused refused;   /* but not to these */
	struct jv_time turn;      /* when the loop turned last */
	struct worker_tx {
		int fd;
		unsigned int how; /* enum send_how, but for SEND_STANDS */
		struct udp_datagram d; /* segment: length of the first one */
		bool singly;           /* nothing joins it */
	} tx[WORKER_TX];
	size_t ntx;
	struct share share;  /* of what is sent */
	size_t unasked;      /* bytes sent since a socket was asked how full it is */
	unsigned int asking; /* flushes that ask each time, for lately one was full */
	uint8_t *copy_slab;  /* COPY_SLAB bytes */
	size_t copied;
	uint8_t random[256]; /* a stock of random bytes */
	size_t random_left;
};
