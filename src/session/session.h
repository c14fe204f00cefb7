/*
 * A session, and the engine it lives in: the types this room shares. Outside the room, see engine.h.
 *
 * What happens to a session is told by functions named for what happened; state changes in one place,
 * session_event(), which stamps, counts and audits.
 */
#pragma once

#include "base/list.h"
#include "proto/packet.h"
#include "session/engine.h"
#include "session/keys.h"
#include "session/limit.h"
#include "session/passage.h"
#include "session/pmtu.h"
#include "session/rescue.h"
#include "session/table.h"
#include "session/wheel.h"

/* A jump under way (client), or one ordered by the operator and not followed yet (server). */
struct jump {
	bool pending;
	uint32_t id;
	uint8_t slot; /* target path; server: unused */
	uint8_t number;
	uint32_t binding; /* client: the one to name; later than ours when the peer said so */
	enum reason evidence;
	bool dead;            /* data moves at once: the old path carries nothing */
	uint8_t tries;        /* JUMPs sent to this target */
	uint16_t tried;       /* slots tried since RECOVERING began */
	struct jv_time first; /* when the first JUMP went out */
	struct jv_time again; /* when to repeat, or to look for a path again; TIME_NEVER */
	enum reason denied;   /* the last rejection */
	bool ordered;         /* answer `token` */
	uint64_t token;
};

struct rekey {
	struct job *job; /* under way */
	bool offered;    /* our OFFER is out */
	uint8_t e_priv[PROTO_KEY_LEN], e_pub[PROTO_KEY_LEN];
	bool unconfirmed;    /* we seal with the newest epoch, and the peer has not yet */
	uint8_t tries;       /* OFFERs sent */
	struct jv_time made; /* when the newest epoch was made */
	bool answered;       /* we sent an ACCEPT for the newest epoch: repeat it when asked again */
	uint8_t accept_pub[PROTO_KEY_LEN];
	uint8_t offer_pub[PROTO_KEY_LEN]; /* the OFFER that ACCEPT answered */
	struct jv_time due;               /* next OFFER, or its repetition */
	struct jv_time since; /* the keys we seal with are in use, less the time in which nothing carried */
	uint8_t overdue;      /* intervals of that age that were told */
};

/* Changes of state that are not told yet: beyond AUDIT_CHANGES_PER_MIN in a minute they become one record. */
struct flapping {
	struct list node;      /* of engine->flapping, while there are any */
	struct jv_time minute; /* in which changes are counted; TIME_NEVER */
	uint32_t told;         /* one by one */
	uint32_t n;            /* waiting: from the state `from`, the first and last of them then */
	uint32_t late_ms, stalled_ms; /* the worst of them */
	enum state from;
	struct jv_time first, last;
	struct audit_flaps sum;
};

struct session {
	/* what the data path touches */
	struct engine *engine;
	struct path *active;   /* NULL in BIRTH */
	struct path *draining; /* just left; DATA is accepted until drain_until */
	struct jv_time drain_until;
	struct jv_time unanswered_since; /* first packet sent since the last one received; TIME_NEVER */
	struct jv_time last_rx;          /* authentic, on any path */
	struct jv_time last_data;        /* either direction */
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes;
	enum state state;
	bool large; /* something beyond PROTO_PROBE_LEAST went out since its size was last asked for */
	uint16_t mtu;
	uint32_t peer; /* server: index in config->peers */
	struct keys keys;
	uint32_t rx_epoch;     /* of the last DATA accepted, by counter */
	uint64_t rx_highest;   /* its counter + 1; 0: none yet */
	struct rescue *rescue; /* owned; NULL: nothing is kept */

	/* identity and contract */
	uint8_t id[PROTO_SESSION_ID_LEN];
	struct list node;      /* of engine->sessions, ->late or ->dead */
	const char *peer_name; /* in the configuration in force */
	uint8_t peer_key[PROTO_KEY_LEN];
	struct policy policy;
	uint32_t policy_generation;
	struct policy next_policy; /* taken at the next transition */
	bool policy_waits;
	bool closing; /* no CLOSE is to be sent */
	bool fresh;   /* server: the HELLO it came from bears a cookie of ours */
	bool told;    /* its records are written; on a server from its attachment on */

	/* state */
	enum reason reason;
	enum reason instability; /* why the session left ATTACHED */
	struct jv_time born, since, left_attached;
	struct endpoint left_at; /* client: where the active path led then */
	struct jv_time late_until; /* superseded: DATA in flight is delivered until then */
	uint32_t state_version, binding_version;
	struct switch_limit limit;  /* of switches */
	struct switch_limit rebind; /* server: of rebindings, with the same bounds */
	struct jv_time last_switch;
	struct jv_time
		unsettled; /* server: a rebinding too many last made the path count as dead; TIME_NEVER */
	uint64_t switches, bytes_at_switch;
	struct jump jump;
	uint32_t last_jump_id; /* server: the last one committed */
	uint32_t acked_epoch;  /* server: what its JUMP_ACK reported, and will when it is repeated */
	uint64_t acked_highest;
	uint32_t next_ping_id, next_jump_id, next_probe_id;
	struct lag there, back;      /* DATA on the active path */
	uint8_t stall_tries;         /* moves to a path that had stalled, since one carried */
	uint32_t void_ping_id;       /* PONGs to this and older ones are not heeded: the machine slept */
	struct jv_time quality_left; /* when it last left ATTACHED for loss or latency; TIME_NEVER */
	uint32_t quality_hold_ms;    /* ATTACHED again, it is not left for these before */
	struct passage passage;
	struct flapping flapping;
	struct rekey rekey;
	struct jv_time failed_back; /* client: the last switch back to a path preferred; TIME_NEVER */
	uint8_t failback_doubt;     /* client: how often in a row that did not last */
	int64_t age_offset_us;      /* our age less the peer's, as the running estimate has it */
	bool age_known;
	uint64_t sealed[2]; /* orders: what is before had been sealed when [1] came, and AGAIN_MS earlier */
	struct jv_time sealed_at;
	struct jv_time age_sampled;
	uint32_t locators_seq, locators_told; /* server: told last, then */
	struct jv_time locators_sent;
	struct jv_time policy_sent;
	struct job *job; /* WELCOME under way */

	/* timers */
	struct timer health;   /* the active path */
	struct timer deadline; /* of the present state */
	struct timer life;     /* lifetime, renewal, rekey */
	struct timer standby;  /* other paths, drain */
	struct timer pmtu;     /* of all paths */

	uint64_t *replay_bits; /* owned */
	uint8_t slots;
	struct path path[]; /* by slot */
};

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
	struct session *late;    /* superseded, and drained */
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

#define FLOOD_KINDS 24 /* events and reasons that refuse something, and more */
#define FLOOD_SOURCE_BITS 256

struct flood { /* refusals of one event and reason, summarised per second */
	uint64_t waiting;
	struct jv_time last;                     /* TIME_ZERO: not in use */
	uint64_t source[FLOOD_SOURCE_BITS / 64]; /* a bit for each address, by its hash */
	struct audit_record record;
};

/* What one peer has beside its attached session: what is in BIRTH, the older one first, and what is drained. */
#define BIRTHS_MAX 2

struct births {
	struct session *s[BIRTHS_MAX];
	struct session *late;
};

/* What a server remembers of a peer, whatever sessions that has; kept over reloads. */
struct caller {
	uint64_t number; /* the highest of a HELLO of his */
	struct bucket births;
	struct bucket logins; /* sessions that attach */
	/* sessions that never attached, and are not told of yet */
	uint32_t unattached;
	uint32_t next;       /* index + 1 in callers of the next one with such; 0: none */
	struct jv_time told; /* when the last record of them was written; zero: never */
	enum reason why;     /* of the last of them */
	struct endpoint remote;
	const char *name; /* in the configuration in force */
};

/*
 * Keys that knocked and are no peer's: each is told of once a minute, with how often it came meanwhile. More keys than there
 * is room for push each other out, and are held by the sum of a second alone.
 */
#define STRANGERS 64
#define STRANGER_MS 60000

struct stranger {
	uint8_t key[8]; /* its beginning */
	uint32_t untold;
	struct jv_time told; /* zero: free */
};

struct engine {
	struct engine_io io;
	void *ctx;
	const struct config *config;
	uint32_t worker, workers;
	bool client_role, hardware_aes;
	struct wheel wheel;
	struct table *locators; /* -> struct path */
	struct keycache *cache;
	uint64_t cache_next;
	struct list sessions, late, dead, jobs;
	size_t max_sessions, nsessions, nlate, njobs;
	struct counters counters;
	uint64_t rescue_bytes; /* of all sessions' rings */
	struct flood flood[FLOOD_KINDS];
	struct timer flood_timer;
	struct list flapping; /* sessions with changes of state that wait to be told */
	/*
	 * By how much this input came too late for the timers that were due before it: the worker slept, was stopped, or
	 * had too much to do. What is overdue now is not the sessions' fault, whoever notices it: a timer, or a packet that is
	 * handed in before the timers run.
	 */
	uint32_t late_ms;
	struct cookie_keys *cookie_keys;
	/* server */
	struct session **by_peer; /* attached session of each peer, by index in config->peers */
	struct births *births;    /* the other sessions of each peer, by the same index */
	size_t peers_cap;         /* of both */
	struct net_item *items;   /* POLICY_PARTS_MAX * POLICY_ITEMS_MAX, to compose POLICY frames */
	struct cookie_jar *jar;
	uint8_t reset_key[32];
	uint32_t steer_key; /* by which locators tell their worker */
	struct hash_key locator_key; /* by which the server knows its own locators */
	struct net_limit *hello_limit, *proven_limit;
	struct source_limit *reset_limit;
	struct seen *seen;      /* HELLOs that were dealt with */
	struct turns *turns;    /* HELLOs that wait */
	struct caller *callers; /* by index in config->peers */
	struct stranger stranger[STRANGERS];
	uint32_t unattached;                /* index + 1 of the first caller with something untold; 0: none */
	uint32_t hello_second, hello_count; /* rate in the present second, for "under load" */
	struct source_limit *icmp_limit;
	/* fragments of inner packets, and probes, are made here */
	uint8_t room[PROTO_HEADER_LEN + PROTO_MTU_MAX + PROTO_TAG_LEN];
	struct jv_time last_input, woke; /* from the last sleep; TIME_ZERO */
	/* client */
	struct client *client;
};

/* engine.c: at the beginning of every input. Frees what ended in the one before; and when the clock has leapt over
 * a timer, because the machine slept or the process was stopped, what was due meanwhile comes first. */
void engine_input(struct engine *e, struct jv_time now);

/* session.c */
struct session *session_new(struct engine *e, const struct policy *policy, uint8_t slots, uint32_t window,
			    struct jv_time now);
/* The one writer of state. False: the rows refuse it (counted and audited). */
bool session_event(struct session *s, enum event event, enum reason why, struct jv_time now);
/* TERMINATED: tells the peer unless it told us, unlinks; freed at the next input. One that is superseded keeps
 * its keys and locators until late_until, to open DATA with. */
void session_end(struct session *s, enum reason why, struct jv_time now);
/* No longer: its keys are wiped, its locators unknown. */
void session_forget(struct session *s);
void session_reap(struct engine *e);
void session_stop_timers(struct session *s);
bool session_issue(struct session *s, uint8_t slot, const uint8_t locator[8],
		   const uint8_t token[PROTO_TOKEN_LEN]);
struct path *session_find_path(struct engine *e, const uint8_t locator[8]); /* or NULL */
void session_withdraw(struct session *s, uint8_t slot);
/* The newest one in use, the one being left included only if there is no other; or NULL. */
struct path *session_path_numbered(struct session *s, uint8_t number);
/* The binding changes: `to` becomes the active path. */
void session_bind(struct session *s, struct path *to, bool is_switch, struct jv_time now);
uint64_t session_age_us(const struct session *s, struct jv_time now);
void session_age_sample(struct session *s, uint64_t peer_age_us, int64_t rtt_us, struct jv_time now);
/* How old a request of this peer age is. */
int64_t session_request_age_us(const struct session *s, uint64_t peer_age_us, struct jv_time now);
bool session_is_stale(const struct session *s, uint64_t peer_age_us,
		      struct jv_time now); /* beyond proof_max_age_ms */
void session_policy(struct session *s, const struct policy *policy, uint32_t generation);
const char *session_path_name(const struct session *s, uint8_t number);
/* When the present state must have ended; TIME_NEVER: no bound but the lifetime. */
struct jv_time session_deadline(const struct session *s);
/* Every deadline that has passed unnoticed, in order, each as if it were then. */
void session_catch_up(struct session *s, struct jv_time now);
void session_info(struct session *s, struct session_info *out, struct jv_time now);
/* A candidate that has no path. False: it is not to be shown. */
bool candidate_info(const struct known_candidate *k, enum path_fault fault, struct path_info *out);

/* trail.c: audit records */
void trail_session(struct session *s, enum audit_event event, enum reason why, struct jv_time now);
void trail_state(struct session *s, enum state from, enum state to, enum reason why, uint64_t elapsed_ms,
		 struct jv_time now);
/* What waits of its state changes. */
void trail_flaps(struct session *s, struct jv_time now);
void trail_path(struct session *s, enum audit_event event, enum reason why, uint8_t from,
		const struct path *to, struct jv_time now);
void trail_denied(struct session *s, enum reason why, const struct path *to, uint32_t retry_after_ms,
		  struct jv_time now);
/* Server: it attaches, and its records begin, with SessionCreated. */
void trail_created(struct session *s, struct jv_time now);
/* Server: it has ended and never attached. One record for each peer and second tells how many did. */
void trail_unattached(struct session *s, enum reason why, struct jv_time now);
/* All that is not told yet: the configuration is about to change, or the engine to end. */
void trail_unattached_all(struct engine *e, struct jv_time now);
/* Refusals that anybody may cause; at most one record a second and kind. `s` may be NULL. */
void trail_refused(struct engine *e, struct session *s, enum audit_event event, enum reason why,
		   const struct endpoint *from, struct jv_time now);
/* Somebody who says that this key is theirs called, and it is no peer's. */
void trail_stranger(struct engine *e, const uint8_t key[PROTO_KEY_LEN], const struct endpoint *from,
		    struct jv_time now);
void trail_flush(struct timer *t, struct jv_time now);

/* transmit.c: frames and data out */
struct control { /* a CONTROL packet being put together */
	struct writer w;
	struct challenge *asks; /* it has a challenge, and the last one before that went out then */
	struct jv_time asked_before;
	uint8_t packet[PROTO_CONTROL_MAX];
};
void control_begin(struct control *c);
/* Seals and sends on `p`, to `to` if given, else to where p leads. False: nothing went out. */
bool control_send(struct control *c, struct path *p, const struct route *to, struct jv_time now);
void control_frame(struct path *p, const struct frame *f, struct jv_time now); /* one frame, one packet */
struct sealer { /* what packets in a row are sealed with */
	struct path *path;
	struct epoch *epoch;
	struct aead_key *key;
	struct mask_key *mask;
};
/* Inner packets of one session on their way out, in one input: what they have in common is looked up once. */
struct outgoing {
	struct session *session;
	struct sealer sealer;
	bool kept;   /* for rescue */
	uint8_t ecn; /* of the inner packets, for the outer ones */
	struct jv_time now;
};
/* `len`: none will be longer. */
void transmit_begin(struct outgoing *o, struct session *s, size_t len, uint8_t ecn, struct jv_time now);
void transmit(struct outgoing *o, const uint8_t *packet, size_t len);
/* PROBE, or its answer, filled up to `size` bytes of datagram; 0: as any other CONTROL. Counted in no report. */
void probe_send(struct path *p, const struct frame *f, size_t size, struct jv_time now);
void ping_send(struct path *p, uint8_t flags, struct jv_time now);
void close_send(struct session *s, enum reason why, struct jv_time now);
void path_report_now(const struct path *p, struct path_report *r);
/* DATA leaves on the active path, or on the one being jumped to when the active one is dead. */
struct path *session_data_path(struct session *s);
/* Longest inner packet for it, within the tunnel's MTU. */
size_t session_fits(struct session *s);
/* The 3x rule for DATA, which counts it; on a path that is proven always true. */
bool data_may_send(struct path *p, size_t len);

/* receive.c: DATA and CONTROL in */
/* Datagrams that come in a row. What was found for one holds for the next, if that has the same locator and nothing
 * but DATA has come since. */
struct reception {
	const struct route *from;
	uint8_t ecn; /* of the outer headers */
	struct jv_time now;
	struct path *path; /* of the last one; NULL: look it up, and all that follows */
	struct mask_key *mask;
	const uint8_t *next; /* the datagram behind this one, if there is one that may be sealed, or NULL */
	bool ahead;          /* of this one the header was unmasked before, as one of the same path: */
	struct packet_id id;
	bool takes_data, home; /* home: it came from where the path leads */
	struct epoch *epoch;   /* NULL: look it up */
	struct aead_key *key;
	bool owned; /* `src` belongs to the peer, and to a client `dst` */
	struct ip src, dst;
};
void receive_sealed(struct engine *e, struct reception *r, uint8_t *datagram, size_t len);

/* control.c: frames in */
void control_received(struct path *p, const struct route *from, const uint8_t *frames, size_t len,
		      size_t wire_len, bool newest, struct jv_time now);

/* health.c: is the active path alive? */
void health_data_sent(struct session *s, struct jv_time now);
void health_heard(struct session *s, const struct path *p);
void health_ponged(struct session *s, struct path *p, bool window, struct jv_time now);
void health_restart(struct session *s, struct jv_time now);
/* The peer's PING came on the active path: what it says may hasten the verdict, and if nobody answered us there, now
 * somebody may. */
void health_asked(struct session *s, struct jv_time now);
void health_stalled(struct session *s, struct jv_time now); /* DATA does not pass on the active path */
void health_suspect(struct session *s, struct jv_time now); /* probe the active path at once */
void health_fire(struct timer *t, struct jv_time now);
/* The machine slept, or the process was stopped: what was known of the paths is void. */
void health_woke(struct engine *e, struct jv_time now);

/* rekey.c */
void rekey_schedule(struct session *s, struct jv_time now);
/* The interval may be another, and counts from now. */
void rekey_configured(struct session *s, struct jv_time now);
/* The session is ATTACHED again: what was due meanwhile is due now, and the keys have not aged. */
void rekey_attached(struct session *s, int64_t away_us, struct jv_time now);
/* The machine slept: that made the keys old, and nobody else. */
void rekey_slept(struct session *s, struct jv_time now);
void rekey_order(struct session *s, struct jv_time now); /* its time is now */
void rekey_run(struct session *s, struct jv_time now);   /* its time has come */
void rekey_offered(struct path *p, const struct frame *f, struct jv_time now);
void rekey_accepted(struct path *p, const struct frame *f, struct jv_time now);
void rekey_job_done(struct session *s, struct job *j, struct jv_time now);
void rekey_peer_uses(struct session *s, uint32_t epoch, struct jv_time now);
void rekey_confirmed(struct session *s, struct jv_time now); /* the peer seals with our newest epoch, too */

/* admit.c: which HELLOs a server hears */
bool admit_new(struct engine *e, const uint8_t cookie_seed[32]);
void admit_free(struct engine *e);
/* No more key agreements are begun. */
void admit_stop(struct engine *e);
/* What is remembered of peers follows them to their new indices. False: no memory, and nothing has changed. */
bool admit_configure(struct engine *e, const struct config *old, const struct config *config);
void accept_hello(struct engine *e, const struct route *from, const uint8_t *datagram, size_t len,
		  struct jv_time now);
/* These answer true where the job lives on. */
bool admit_job_done(struct engine *e, struct job *j, struct jv_time now);
bool admit_answer(struct engine *e, struct job *j, enum hello_end end, struct jv_time now);
/* A session is about to attach. False: too many of its peer's have, of late. */
bool admit_attached(struct session *s, struct jv_time now);
void admit_welcomed(struct engine *e, const struct job *j, struct jv_time now);
/* Those whose turn it is. */
void admit_serve(struct engine *e);
/* Key agreements under way or waiting for their turn. */
size_t admit_jobs(const struct engine *e);
/* To the thread pool. */
void job_hand_out(struct engine *e, struct job *j);

/* accept.c: HELLO to session, server */
void accept_job_done(struct engine *e, struct job *j, struct jv_time now);
/* A fresh locator for this slot. False: none could be put into the table. */
bool accept_issue(struct session *s, uint8_t slot);
void births_add(struct session *s);
void births_remove(struct session *s);
void accept_attached(struct session *s, struct path *p, struct jv_time now);
/* A session in BIRTH, and its WELCOME is on its way; the job lives on. False: no room for one. */
bool accept_birth(struct engine *e, struct job *j, struct jv_time now);
void accept_reset(struct engine *e, const struct route *from, const uint8_t *datagram, size_t len,
		  struct jv_time now);

/* connect.c: HELLO to session, client */
void connect_start(struct engine *e, struct jv_time now);
void connect_retry(struct timer *t, struct jv_time now);
void connect_welcome(struct engine *e, const struct route *from, const uint8_t *datagram, size_t len,
		     struct jv_time now);
void connect_cookie(struct engine *e, const struct route *from, const uint8_t *datagram, size_t len,
		    struct jv_time now);
void connect_job_done(struct engine *e, struct job *j, struct jv_time now);
void connect_stop(struct engine *e);
/* A candidate is there that was not; `quiet`: one that does not come and go all the time. */
void connect_candidate(struct engine *e, bool quiet, struct jv_time now);
void connect_waited(struct timer *t, struct jv_time now);
/* The WELCOME that waits is taken now; or nothing comes of it. */
void connect_take(struct engine *e, struct jv_time now);
void connect_leave(struct engine *e);
/* When the server does not answer for long. */
void connect_complain(struct timer *t, struct jv_time now);
/* A socket told of an error. */
void connect_error(struct engine *e, uint32_t socket, int error);
void client_ended(struct session *s, struct jv_time now);

/* reset.c: the server does not know our session, client */
void connect_reset(struct engine *e, const struct route *from, const uint8_t *datagram, size_t len,
		   struct jv_time now);

/* proof.c: where a path leads, server */
/* Learns it, if this is the newest packet heard on the path. False: it does not fit the path and is not to be acted
 * on. */
bool proof_heard(struct path *p, const struct route *from, uint8_t number, size_t wire_len, bool newest,
		 struct jv_time now);
void proof_answered(struct path *p, const struct route *from, const uint8_t nonce[8], struct jv_time now);
/* Adds a challenge to what goes to the path's own address, when that is to be proven, or proven again. */
void proof_ask(struct path *p, struct control *c, struct jv_time now);
/* A JUMP moves the active path to the address on trial, which is unproven. */
void proof_moved(struct path *p, const struct route *to, struct jv_time now);
/* When the active path is to be looked at, and what is done then: it is challenged, or counts as dead. */
struct jv_time proof_due(const struct path *p);
void proof_look(struct session *s, struct jv_time now);

/* failover.c: another endpoint beside a session that is silent */
void failover_init(struct client *c);
/* How often at least the client of a session that rests asks whether the gateway is there; milliseconds. */
uint32_t failover_idle_ms(const struct session *s);
/* The session's state has changed: is it to be watched? */
void failover_watch(struct session *s, struct jv_time now);
/* Something authentic came. */
void failover_heard(struct session *s, struct jv_time now);
/* A WELCOME came, after a round trip of `rtt_us`: when may it be taken? */
struct jv_time failover_release(struct client *c, int64_t rtt_us, struct jv_time now);
/* Its time has come. False: the session lives, and the attempt is over. */
bool failover_may_take(struct client *c, struct jv_time now);
/* The server has attached the next session: whatever is heard of this one, it is over. */
void failover_decided(struct client *c);
/* There is no session any more that would go before the next. */
void failover_ends(struct client *c, struct jv_time now);

/* inside.c: what a client lets its server have inside */
void inside_set_up(struct client *c); /* the server has said something, or our own configuration has changed */
void inside_free(struct client *c);
bool inside_takes(const struct client *c, const struct ip *src, const struct ip *dst);

/* server.c: judges jumps */
enum reason switch_reason(enum reason evidence); /* of switch_start */
bool evidence_is_dead(enum reason evidence);     /* the path carries nothing */
/* Switches a minute for this evidence; `loss_ppm`: of the path to be left. */
uint32_t switch_budget(const struct policy *pol, enum reason evidence, uint32_t loss_ppm);
void server_jump(struct path *p, const struct route *from, const struct frame *f, struct jv_time now);
/* Do outer packets to this address go into the tunnel? Then nobody calls from there, and nothing is sent to it: what a
 * session carries would travel in a session. */
bool server_is_inside(const struct engine *e, const struct ip *remote);
void server_path_dead(struct session *s, enum reason why, struct jv_time now);
void server_pinged(struct path *p, const struct frame *f, struct jv_time now);
void server_order(struct session *s, uint8_t number, uint64_t token, struct jv_time now);
void server_order_repeat(struct session *s, struct jv_time now);
void server_policy_send(struct session *s, struct jv_time now);
size_t server_items(const struct engine *e, const struct session *s, struct net_item *out, size_t max);
void server_configure(struct engine *e, const struct config *old, const struct config *config,
		      struct jv_time now);

/* client.c: decides jumps */
void client_attached(struct session *s, struct path *p, struct jv_time now);
void client_path_dead(struct session *s, enum reason why, struct jv_time now);
void client_path_answers(struct session *s, struct path *p, struct jv_time now);
void client_deadline(struct session *s, struct jv_time now);
void client_jump_ack(struct path *p, const struct frame *f, struct jv_time now);
void client_jump_reject(struct path *p, const struct frame *f, struct jv_time now);
void client_jump_repeat(struct session *s, struct jv_time now);
/* The path of the jump under way was opened anew. */
void client_retarget(struct session *s, struct path *p, struct jv_time now);
/* How long an answer on this path may take. */
int64_t client_patience_us(const struct session *s, const struct path *p);
/* The candidate that the jump under way leads to is gone. */
void client_target_lost(struct session *s, uint8_t number, struct jv_time now);

/* ladder.c: where a candidate's next path leads */
void ladder_init(struct client *c);
/* Another list of remotes; the one in use keeps its place. */
void ladder_list(struct known_candidate *k, const struct candidate *c);
bool ladder_has(const struct known_candidate *k, const struct endpoint *remote);
/* The remote to open the next path of this candidate to: the same as before if it has answered since, else
 * the next one. NULL: each is taken by another candidate with the same local end. */
const struct endpoint *ladder_climb(struct session *s, uint8_t number, struct jv_time now);
/* A new session begins there. */
void ladder_welcomed(struct client *c, uint8_t number, const struct endpoint *remote);
void ladder_answered(struct client *c, uint8_t number, const struct endpoint *remote);
/* Are there remotes left that were not tried since one answered? */
bool ladder_has_more(const struct known_candidate *k);
/* Names may mean something else by now. */
void ladder_resolve(struct engine *e, uint8_t number, struct jv_time now);
/* May this candidate be taken up, or moved, now? Counts it when it may. */
bool ladder_settled(struct client *c, struct known_candidate *k, struct jv_time now);

/* VOLATILE or DEGRADED -> RECOVERING, and the JUMP is out. `dead`: data follows it at once. */
void client_recover(struct session *s, struct path *p, enum reason evidence, enum reason why, bool dead,
		    struct jv_time now);
/* How long the policy forbids a switch for this evidence; 0: not at all. */
uint32_t client_forbidden_ms(struct session *s, enum reason evidence, enum reason *why, struct jv_time now);

/* comfort.c: moves that no trouble asks for */
void client_order(struct session *s, uint8_t number, uint64_t token, struct jv_time now);
/* The order that waits, if it is this session's: carried out if it can be now, else refused when its time is over. */
void client_order_again(struct session *s, struct jv_time now);
/* The session ends, and so does the order that waits for it. */
void client_order_ends(struct session *s, enum reason why);
void client_fail_back(struct session *s, struct jv_time now);
void client_jump_asked(struct path *p, const struct frame *f, struct jv_time now);
/* The session has come from `left` to the active path, for whatever reason. */
void client_switched(struct session *s, struct path *left, struct jv_time now);

/* grant.c: which candidates have the paths that the server grants */
/* May this candidate have a path, beside those that others have? */
bool grant_is_free(struct session *s, uint8_t number);
/* The standby path that has to make room for it, or NULL. `ordered`: any will do. */
struct path *grant_victim(struct session *s, uint8_t number, bool ordered, struct jv_time now);
/* A candidate that answers, or has come up, claims its place at once. */
void grant_reset(struct known_candidate *k);
/* `p` gives its place to another candidate. */
void grant_give_up(struct path *p, struct jv_time now);
/* Would a candidate have a path, were there room? */
bool grant_is_waited_for(struct session *s);

/* candidate.c: the client's paths */
void candidate_settle(struct timer *t, struct jv_time now);
bool candidate_is_up(const struct session *s, uint8_t number);
/* Is there a locator for one more path? If not, the server is asked for fresh ones. */
bool candidate_has_locator(struct session *s, struct jv_time now);
/* Could an order open a path of this candidate? */
bool candidate_has_room(struct session *s, uint8_t number, struct jv_time now);
struct path *client_open(struct session *s, uint8_t number, struct jv_time now);
/* The same; the least of the standby paths makes room if need be. */
struct path *client_open_ordered(struct session *s, uint8_t number, struct jv_time now);
/* Why this candidate, which has no path, has none. */
enum path_fault candidate_fault(struct session *s, uint8_t number);
void client_open_missing(struct session *s, struct jv_time now);
/* Another PING on the active path that does not answer; from a new port when that is the last rung left. */
void client_probe_active(struct session *s, struct jv_time now);
/* The active path is asked there, wherever it leads by now. */
void client_probe_at(struct session *s, const struct endpoint *remote, struct jv_time now);
void client_close_path(struct path *p);
void client_left(struct path *p); /* its drain is over */
void client_standby(struct session *s, struct jv_time now);
/* The active path is in doubt: how are the others? */
void client_ask_others(struct session *s, struct jv_time now);
void client_locators(struct session *s, const struct frame *f, struct jv_time now);
void client_policy(struct session *s, const struct frame *f, struct jv_time now);
