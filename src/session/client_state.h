/*
 * What a client's engine knows beside its sessions: the candidates, the HELLOs that are out, the WELCOME that waits, and
 * what the server gives. One of it in a client's engine, none in a server's.
 */
#pragma once

#include "base/lpm.h"
#include "proto/frame.h"
#include "proto/noise.h"
#include "session/engine_state.h"
#include "session/fault.h"
#include "session/travel.h"
#include "session/wheel.h"

/* Client: a HELLO that may yet be welcomed. */
struct greeting {
	bool out;          /* it was sent */
	uint8_t consuming; /* WELCOMEs being opened: forged ones must not keep the true one out */
	uint32_t serial;   /* tells a job's result from another one's */
	struct jv_time sent;
	struct route route;
	uint8_t handshake_id[8];
	uint8_t mac1[PROTO_MAC_LEN];
	struct noise noise;
};

/* On a long path the WELCOME comes after the next HELLO has gone out: so many are waited for. */
#define GREETINGS_MAX 3

/* Client: the HELLOs of one candidate to one remote. */
struct attempt {
	bool open; /* `socket` is ours */
	bool busy; /* the next HELLO is being made */
	bool has_cookie;
	uint8_t number; /* candidate */
	uint8_t uses;   /* HELLOs from this socket */
	uint32_t socket;
	struct endpoint remote;
	uint32_t serial;                         /* of the latest HELLO */
	uint8_t cookie[PROTO_MAC_LEN];           /* bound to this socket's address */
	struct greeting greeting[GREETINGS_MAX]; /* by serial: the latest takes the place of the oldest */
	uint8_t greetings;                       /* sent, modulo GREETINGS_MAX */
};

/* Client: HELLOs to one candidate, and what they brought. */
struct called {
	uint32_t hellos, cookies, strange; /* strange: answers that are not ours, or do not open */
	int error;                         /* errno value that a socket told last, of ICMP or of our own machine; or 0 */
	struct endpoint remote;            /* of the last one */
};

struct client {
	struct engine *engine;
	struct known_candidate {
		struct candidate c;
		bool exists, up;       /* configured; usable */
		enum path_fault fault; /* why it is not up */
		uint8_t at;        /* remote that its newest path leads to */
		bool opened;       /* a path was opened there, */
		bool answered;     /* and has answered since */
		uint8_t barren;    /* remotes in a row that have not */
		bool waits, moves; /* taken up, or moved, when `settled` allows it */
		struct jv_time settled;
		struct jv_time rests; /* it gave its place to another, and claims none until then */
		uint8_t rested;       /* times in a row */
		int64_t srtt_us;      /* of its last path that answered; 0: none has */
		struct called called; /* what came of the HELLOs since connecting began */
	} candidate[PROTO_PATHS_MAX];
	struct timer settle;
	struct jv_time resolved; /* when names were asked for; TIME_NEVER */
	struct session *session; /* the one that carries data */
	struct session *next;    /* in BIRTH: first session, or the one to come */
	struct session *superseded;    /* by `session`; DATA that is under way to it is taken yet */
	struct jv_time locators_ask; /* when the server is asked again for fresh ones, and */
	uint32_t locators_ask_ms;    /* how much later the next time; 0: none is lacking */
	struct order {               /* one that needs a fresh locator, and waits for it */
		struct session *session; /* NULL: none does */
		uint8_t number;          /* of the candidate to go to */
		uint64_t token;
		struct jv_time until;
	} order;
	bool connecting;
	struct jv_time connecting_since;
	uint32_t tries;            /* rounds through all remotes of all candidates */
	uint8_t turn;              /* in such a round: remote * PROTO_PATHS_MAX + place in the order of candidates */
	uint8_t preferred;         /* the candidate that is called first, and */
	uint8_t chances;           /* how often it was, at the beginning; */
	struct jv_time chance;     /* until then it alone may answer. TIME_NEVER: it has not been called */
	struct failover {
		bool on;     /* the session is silent on every path: others are called beside it */
		bool began;  /* connecting began for that, and not for a renewal */
		struct timer due;
	} failover;
	struct timer complain;       /* nobody answers */
	struct jv_time complained;   /* TIME_NEVER */
	struct jv_time last_hello; /* TIME_NEVER */
	struct timer retry;
	struct attempt attempt[PROTO_PATHS_MAX];
	uint32_t next_socket, next_serial;
	uint64_t number; /* of the last HELLO */
	uint32_t young;  /* sessions in a row that ended soon after they were born */
	uint8_t resets;  /* sessions that a RESET of the server's ended, each soon after the one before */
	struct jv_time reset; /* the last of them; TIME_NEVER */
	/* what the server says, and the parts of what it is saying */
	uint16_t mtu;
	struct net_item *items; /* POLICY_PARTS_MAX * POLICY_ITEMS_MAX */
	size_t nitems;
	struct waiting { /* the WELCOME that was taken last */
		bool on; /* it has to wait until then, and its socket is kept; */
		struct timer due;
		uint8_t number; /* of the candidate it came by */
		struct route route;
		struct noise_split split; /* zero when it has been made use of */
		struct welcome w;         /* what its session is to have when it is attached */
	} waiting;
	struct net_item *accepted; /* of them, and behind those what was refused; see inside.c */
	size_t naccepted, nrefused;
	struct lpm *sources, *destinations; /* of inner packets; NULL: not yet */
	struct net_item *coming;
	uint32_t coming_generation;
	uint8_t coming_parts;
	uint16_t coming_have; /* a bit for each part */
	uint8_t coming_count[POLICY_PARTS_MAX];
	bool stopped;
};
