/*
 * Diffie-Hellman, to be run off the data loop: the engine hands a job out, anybody runs job_run() on it (it
 * touches nothing but the job), and engine_job_done() takes the result back as one more input.
 */
#pragma once

#include "base/addr.h"
#include "base/list.h"
#include "base/time.h"
#include "proto/frame.h"
#include "proto/noise.h"
#include "session/travel.h"

enum job_kind {
	JOB_HELLO_CREATE,  /* client: message 1 */
	JOB_HELLO_STATIC,  /* server: message 1, up to the key that the client says it has */
	JOB_HELLO_PAYLOAD, /* server: the rest of it, which proves that */
	JOB_HELLO_ANSWER,  /* server: nothing to run; back to the worker that took the HELLO, with what became of it */
	JOB_WELCOME_CREATE,  /* server: message 2 */
	JOB_WELCOME_CONSUME, /* client: message 2 */
	JOB_REKEY_PUBLIC,    /* own ephemeral public key */
	JOB_REKEY_SHARED,    /* the same, and the secret shared with the peer's */
};

enum hello_end { /* what became of a HELLO that was opened */
	HELLO_REFUSED,  /* nothing to remember */
	HELLO_OLD,      /* its like is refused from now on, whoever sends it */
	HELLO_ELSEWHERE, /* it bears the cookie of another address: refused from there only */
	HELLO_WELCOMED,
};

#define JOB_SHELL 192

struct job {
	struct list node; /* the engine's list of jobs under way, or a queue of turns.h */
	enum job_kind kind;
	bool ok;
	uint32_t worker;         /* whose engine made it */
	struct session *session; /* the engine's business: NULL when the session died meanwhile */
	struct jv_time started;

	/* handshakes */
	struct noise noise;
	struct noise_split split;
	uint8_t e_priv[PROTO_KEY_LEN];
	uint8_t psk[PROTO_KEY_LEN];
	struct route from;
	uint8_t attempt;     /* client: index of its attempt */
	uint32_t serial;     /* and which one there */
	uint32_t peer;       /* server: index of the peer */
	uint32_t taken_by;   /* server: the worker that took the HELLO */
	enum hello_end end;  /* server, of JOB_HELLO_ANSWER */
	bool address_proven; /* server: mac2 was right */
	bool busy;           /* server: it came under load */
	bool fresh;          /* server: and the payload bears the cookie that it was made with */
	uint8_t cookie[PROTO_MAC_LEN]; /* server: what it was made with */
	struct packet_hello hello;
	struct hello_payload hello_payload;
	struct packet_welcome welcome;
	uint8_t payload[PROTO_WELCOME_PAYLOAD]; /* of the WELCOME, in clear */

	_Alignas(16) uint8_t shell[JOB_SHELL]; /* for whoever has it run, who then needs no memory of his own */

	/* rekey */
	uint8_t e_pub[PROTO_KEY_LEN], peer_pub[PROTO_KEY_LEN], shared[PROTO_KEY_LEN];
};

/* Any thread. Sets ok and the fields the kind fills. */
void job_run(struct job *j);
/* Wipes and frees. */
void job_free(struct job *j);
