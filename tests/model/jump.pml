/*
 * The jump protocol: a client, a server, and a network that loses, duplicates, reorders and holds back what it
 * likes, for spin. FSM_NEXT() and the reasons come from src/session/fsm.c by way of rows.c.
 *
 * What is asserted
 *   I1, I8   one variable holds the active path; every transition is in the rows, with its reason.
 *   I2       TERMINATED is absorbing; a session ends only if somebody ended it, or by its bounds (I3).
 *   I7       binding_version grows by 1 with each switch of the server; the client's never shrinks, is never ahead
 *            of the server's, and its path is the one the server had under that version (`path_of`).
 *   I10      a packet seen before changes nothing.
 *   wishes   a switch replaces the binding that the JUMP named; no JUMP is obeyed that is older than one whose ACK
 *            the client took; the JUMP in force is acknowledged again, never refused.
 *   address  the server's active path is one that the client has used; its address under a standing binding only
 *            becomes one that has answered a challenge sent there.
 *   I12      once the network is usable but for the data of some paths, which are lost though all control passes, nobody
 *            ends on such a path when there is another: ATTACHED means that data passes (DATA).
 *   progress once the network is usable and nobody acts any more, both ends are ATTACHED (or both TERMINATED) with
 *            the same binding, path and address within ROUNDS rounds. A round is: all that is under way arrives, in
 *            any order, then every timer fires. This bounded form is stronger than "eventually", and needs no
 *            fairness, since time passes only when nothing is left to be delivered.
 *
 * What is abstracted, and why that is sound
 *   Keys, seals     only what a side sealed can be delivered: forging is the AEAD's business (unit tests, fuzzers).
 *   Replay window   remembers everything: a packet opens once, so it leaves the network when it has. A window that
 *                   forgets refuses what is old, and refusing is losing. BREAK_REPLAY keeps packets and marks them.
 *   Network         a sorted bag of at most HOLD packets a direction, each kept for as long as it likes, lost at any
 *                   time. More at once would need more states, not other ones: each packet acts by itself. One
 *                   packet of each direction may be kept beyond the beginning of the calm.
 *   Time            before the calm any timer may fire at any time; so every timing is covered, and ages too: a
 *                   JUMP judged stale is a JUMP lost, since its sender repeats it.
 *   Budget,         small counters, given back at any time; the sliding window is limit.c's, with its own tests.
 *   cooldown
 *   Ranking         any candidate may be chosen: what path_is_better() prefers is among them.
 *   Evidence        any, at any time, as often as ACTS allows; the real detector raises fewer.
 *   PING, PONG      ids are left out: a PONG of any age counts, which allows more than the code does.
 *   Locators        a path keeps one for good. Fresh ones add paths, not rules.
 *   Nonce           of a challenge: the address that it was sent to. An old RESPONSE from there counts again.
 *   DATA            is always there to be sent, and moves nothing by itself: what it leaves behind is the count in the
 *                   next PONG of its path, which says whether any has arrived. So it is no packet here.
 */
#include "fsm.pml"

#ifndef PATHS
#define PATHS 2
#endif
#ifndef HOLD
#define HOLD 1
#endif
#ifndef ACTS
#define ACTS 2 /* what environment and operators may do */
#endif
#ifndef BUDGET
#define BUDGET 2
#endif
#ifndef ROUNDS
#define ROUNDS 10
#endif
#ifndef IDS
#define IDS 5 /* JUMP ids spent before the calm */
#endif
#define NET 12 /* room for a round in the calm */
#define THIEF 2 /* an address that forwards, and answers nothing */
#define NONE 9

/* client to server */
#define C_JUMP 1
#define C_PING 2
#define C_PONG 3
#define C_RESPONSE 4
#define C_CLOSE 5
/* server to client */
#define S_ACK 1
#define S_REJECT 2
#define S_PING 3
#define S_PONG 4
#define S_CHALLENGE 5
#define S_ASK 6
#define S_CLOSE 7 /* or a RESET */
#define S_PEER_DEAD 8

/* evidence in a JUMP */
#define DEAD 0
#define ORDER 1
#define QUALITY 2
/* REJECT */
#define STALE_REQUEST 0
#define STALE_BINDING 1
#define RATE 2
#define COOLDOWN 3

#define PACK(type, p, num, b, a, w) ((type) | (p) << 4 | (num) << 6 | (b) << 10 | (a) << 13 | (w) << 15)
#define SEEN 131072
#define M_TYPE (m & 15)
#define M_PATH (m >> 4 & 3)
#define M_ID (m >> 6 & 15)
#define M_BINDING (m >> 10 & 7)
#define M_ADDR (m >> 13 & 3)
#define M_W (m >> 15 & 3)

/* the network: both bags sorted, the free slots (0) in front */
int cs[NET], sc[NET];
int cs_held, sc_held; /* kept beyond the beginning of the calm */
bool calm;
byte down; /* in the calm: a bit for each path that stays dead */
#ifdef DATA
byte mute; /* in the calm: a bit for each path whose data is lost, and no control */
#else
#define mute 0
#endif
byte round;
byte acts;
byte addr[PATHS]; /* where the client's packets come from, by its NAT */
bool ended; /* somebody ended the session, or its bounds did */

/* the client */
byte c_now = ATTACHED, c_active, c_binding;
bool c_pending; /* a JUMP is under way */
byte c_next, c_id, c_path, c_named, c_why;
bool c_cool;
byte c_left = BUDGET;
byte c_unanswered; /* PINGs in a row on the active path, in the calm */
bool c_again; /* VOLATILE or DEGRADED: a limit forbids to jump, for now */
#ifdef DATA
byte c_bad; /* a bit for each path that has lost data, by its PONGs */
bool c_window; /* the next PONG ends a window of loss: one in each round */
#else
#define c_bad 0
#endif
byte c_refused; /* a bit for each path that a limit of the server refused, until c_again ends */
byte c_done; /* ghost: highest id whose ACK was taken */
byte used; /* ghost: paths the client has sent on */

/* the server */
byte s_now = ATTACHED, s_active, s_binding, s_last;
bool s_cool;
byte s_left = BUDGET;
byte s_addr[PATHS];
bool s_known[PATHS], s_proven[PATHS], s_moving;
byte s_trial; /* the active path's new address */
byte s_asked[PATHS]; /* the address that was challenged, plus 1; 0: none */
byte s_challenged; /* paths challenged in this round of the calm */
bool s_order; /* an operator wants the client to jump */
byte s_order_path;
byte s_quiet, s_lost; /* rounds without a word, and without ATTACHED, in the calm */
byte path_of[8]; /* ghost: the path of each binding */

bool seen; /* ghost: what is being received was received before */
int m; /* the packet being received */
byte j, p;
byte k; /* where a bag is sorted */
int t;

#define AGREE (c_now == s_now && (c_now == TERMINATED || (c_now == ATTACHED && \
	c_active == s_active && c_binding == s_binding && s_addr[s_active] == addr[c_active])))
/* On a path that carries what it is for. */
#define WELL (AGREE && !(c_now == ATTACHED && ((down | mute) >> c_active & 1)))

#define PUT(bag, packet) \
	if \
	:: bag[NET - (calm -> NET : HOLD)] != 0 -> assert(!calm) \
	:: else -> \
		bag[0] = packet; \
		k = 0; \
		do \
		:: k < NET - 1 && bag[k] > bag[k + 1] -> \
			t = bag[k]; bag[k] = bag[k + 1]; bag[k + 1] = t; k++ \
		:: else -> break \
		od; \
		k = 0; t = 0 \
	fi

#define TAKE(bag, at) \
	m = bag[at]; \
	k = at; \
	do \
	:: k > 0 -> bag[k] = bag[k - 1]; k-- \
	:: else -> break \
	od; \
	bag[0] = 0

inline c_send(type, path, num, b, w)
{
	used = used | 1 << (path);
	if
	:: calm && (down >> (path) & 1)
	:: else -> PUT(cs, PACK(type, path, num, b, addr[path], w))
	fi
}

inline s_send_to(type, path, num, b, w, a)
{
	if
	:: calm && ((down >> (path) & 1) || (a) != addr[path])
	:: else -> PUT(sc, PACK(type, path, num, b, a, w))
	fi
}
inline s_send(type, path, num, b, w)
{
	s_send_to(type, path, num, b, w, s_addr[path])
}

inline c_event(event, why)
{
	assert(!seen);
	assert(FSM_NEXT(c_now, event, why) != NO_STATE);
	printf("   client: %d -> ", c_now);
	c_now = FSM_NEXT(c_now, event, why);
	printf("%d, reason %d\n", c_now, why)
}
inline s_event(event, why)
{
	assert(!seen);
	assert(FSM_NEXT(s_now, event, why) != NO_STATE);
	printf("   server: %d -> ", s_now);
	s_now = FSM_NEXT(s_now, event, why);
	printf("%d, reason %d\n", s_now, why)
}

/* --- the client: client.c --- */

inline c_jump_to(path)
{
	c_pending = true;
	c_next++;
	c_id = c_next;
	assert(c_next < 15);
	c_path = path;
	c_send(C_JUMP, c_path, c_id, c_named, c_why)
}

inline c_quits()
{
	c_pending = false; c_id = 0; c_path = 0; c_named = 0; c_why = 0
}

/* recover(), for a dead path */
inline c_recover(path)
{
	if
	:: c_left == 0 -> c_again = true; c_event(EV_DEGRADE, WHY_SWITCH_RATE_LIMITED)
	:: c_left > 0 && c_cool -> c_again = true
	:: else ->
		c_again = false;
		c_event(EV_SWITCH_START, WHY_DEAD_TRANSPORT_RECOVERY);
		c_named = c_binding; c_why = DEAD;
		c_jump_to(path)
	fi
}

inline c_path_dead(why, path)
{
	c_event(EV_INSTABILITY, why);
	c_recover(path)
}

inline c_ordered(path)
{
	if
	:: c_now == ATTACHED && c_left > 0 && !c_cool && (path) != c_active ->
		c_event(EV_INSTABILITY, WHY_POLICY_FORCED);
		c_event(EV_SWITCH_START, WHY_POLICY_FORCED_RECOVERY);
		c_named = c_binding; c_why = ORDER;
		c_jump_to(path)
	:: else
	fi
}

inline c_leave_degraded(path)
{
	if
#ifndef BREAK_REFUSED
	:: c_again && ((c_refused >> (path) & 1) || (path) != c_active)
	:: else ->
#else
	:: c_again && (path) != c_active
	:: else ->
#endif
		if
		:: (path) != c_active && (c_left == 0 || c_cool) -> c_again = true
		:: else ->
			c_event(EV_SWITCH_START,
				((path) == c_active -> WHY_HEALTH_RECOVERED : WHY_DEAD_TRANSPORT_RECOVERY));
			c_named = c_binding; c_why = DEAD;
			c_jump_to(path)
		fi
	fi
}

inline c_pong()
{
	if
	:: M_PATH == c_active -> c_unanswered = 0;
		if
#if defined(DATA) && !defined(BREAK_DATA)
		:: c_now == ATTACHED && (mute >> c_active & 1) && c_window ->
			c_window = false;
			c_bad = c_bad | 1 << c_active;
			c_path_dead(WHY_LOSS_THRESHOLD_EXCEEDED, (c_active + 1) % PATHS)
#endif
		:: c_now == VOLATILE && !(c_bad >> c_active & 1) ->
			c_event(EV_HEALTH_RESTORED, WHY_HEALTH_RECOVERED); c_again = false
		:: else
		fi
	:: else
	fi;
	if
	:: c_now == DEGRADED && (calm || c_next < IDS) -> c_leave_degraded(M_PATH)
	:: c_now == VOLATILE && M_PATH != c_active && !c_again && (calm || c_next < IDS) -> c_recover(M_PATH)
	:: else
	fi;
#ifndef BREAK_PONG_BINDING
	if
	:: c_now == ATTACHED && M_BINDING > c_binding && (calm || c_next < IDS) ->
		c_path_dead(WHY_PEER_REPORTED, (c_active + 1) % PATHS)
	:: else
	fi
#endif
}

inline c_ack()
{
#ifdef BREAK_ACK_BINDING
	if
	:: c_pending || M_BINDING != c_binding ->
#else
	if
	:: M_BINDING > c_binding || (M_BINDING == c_binding && c_pending && M_ID == c_id && M_PATH == c_path) ->
#endif
		if
		:: c_now == ATTACHED -> c_event(EV_INSTABILITY, WHY_PEER_REPORTED)
		:: else
		fi;
		if
		:: c_now == VOLATILE || c_now == DEGRADED ->
			c_event(EV_SWITCH_START, WHY_DEAD_TRANSPORT_RECOVERY)
		:: else
		fi;
		assert(M_BINDING >= c_binding && M_BINDING <= s_binding);
		if
		:: M_BINDING > c_binding -> c_cool = true; c_left = (c_left > 0 -> c_left - 1 : 0)
		:: else
		fi;
		c_active = M_PATH;
		c_binding = M_BINDING;
		assert(path_of[c_binding] == c_active);
		if
		:: M_ID > c_done -> c_done = M_ID
		:: else
		fi;
		c_event(EV_REATTACH_OK, WHY_REATTACH_SUCCESS);
		c_quits(); c_again = false; c_refused = 0; c_unanswered = 0;
		c_send(C_PING, c_active, 0, 0, 0)
	:: else
	fi
}

inline c_fails(why)
{
	c_event(EV_REATTACH_FAIL, why);
	c_quits();
	if
	:: calm -> c_send(C_PING, c_active, 0, 0, 0)
	:: else
	fi
}

inline c_reject()
{
	if
	:: !c_pending || c_now != RECOVERING || M_ID != c_id
#ifndef BREAK_NEW_BINDING
	:: c_pending && c_now == RECOVERING && M_ID == c_id && M_W == STALE_BINDING && M_BINDING != c_named ->
		if
		:: calm || c_next < IDS -> c_named = M_BINDING; c_jump_to(c_path)
		:: else -> c_fails(WHY_RECOVERY_WINDOW_EXPIRED)
		fi
#endif
	:: c_pending && c_now == RECOVERING && M_ID == c_id && M_W >= RATE ->
		c_again = true; c_refused = c_refused | 1 << c_path;
		c_fails((M_W == RATE -> WHY_SWITCH_RATE_LIMITED : WHY_REATTACH_VALIDATION_FAILED))
	:: else -> c_fails(WHY_REATTACH_VALIDATION_FAILED)
	fi
}

inline c_receive()
{
	printf("client receives type %d path %d id %d binding %d address %d extra %d\n", M_TYPE, M_PATH, M_ID, M_BINDING, M_ADDR, M_W);
	if
	:: c_now == TERMINATED
	:: c_now != TERMINATED && M_ADDR != addr[M_PATH] /* its NAT forwards it no more */
	:: c_now != TERMINATED && M_ADDR == addr[M_PATH] ->
		if
		:: M_TYPE == S_ACK -> c_ack()
		:: M_TYPE == S_REJECT -> c_reject()
		:: M_TYPE == S_PING -> c_send(C_PONG, M_PATH, 0, 0, 0)
		:: M_TYPE == S_PEER_DEAD ->
			if
			:: c_now == ATTACHED && M_PATH != c_active && (calm || c_next < IDS) ->
				c_path_dead(WHY_PEER_REPORTED, M_PATH)
			:: else
			fi
		:: M_TYPE == S_PONG -> c_pong()
		:: M_TYPE == S_CHALLENGE -> c_send(C_RESPONSE, M_PATH, M_ADDR, 0, 0)
		:: M_TYPE == S_ASK ->
			if
			:: M_BINDING == c_binding && (calm || c_next < IDS) -> c_ordered(M_ID)
			:: else
			fi
		:: M_TYPE == S_CLOSE -> assert(ended); c_event(EV_TERMINAL, WHY_PEER_CLOSED); c_quits()
		fi
	fi
}

/* --- the server: server.c --- */

inline s_challenge(path, a)
{
	if
	:: calm && s_asked[path] == (a) + 1 && (s_challenged >> (path) & 1) /* not twice in a round */
	:: else ->
		s_asked[path] = (a) + 1;
		s_challenged = (calm -> s_challenged | 1 << (path) : 0);
		s_send_to(S_CHALLENGE, path, 0, 0, 0, a)
	fi
}

/* Rebindings have a budget of their own, which may be spent before the calm. */
inline s_rebound()
{
	if
	:: !calm
	:: true ->
#ifndef BREAK_PROOF
		assert(s_asked[s_active] == s_trial + 1);
#endif
		s_addr[s_active] = s_trial; s_proven[s_active] = true;
		s_moving = false; s_trial = 0; s_asked[s_active] = 0;
		assert(s_addr[s_active] != THIEF);
		s_send(S_PING, s_active, 0, 0, 0)
	fi
}

/* proof_heard(): where the path leads */
inline s_heard()
{
	if
	:: s_known[M_PATH] && s_addr[M_PATH] == M_ADDR ->
		if
		:: M_PATH == s_active && s_moving -> s_moving = false; s_trial = 0; s_asked[M_PATH] = 0
		:: else
		fi
	:: M_PATH == s_active && s_addr[M_PATH] != M_ADDR ->
		s_moving = true; s_trial = M_ADDR;
#ifdef BREAK_PROOF
		s_rebound()
#else
		s_challenge(M_PATH, s_trial)
#endif
	:: else ->
		s_known[M_PATH] = true; s_addr[M_PATH] = M_ADDR; s_proven[M_PATH] = false; s_asked[M_PATH] = 0
	fi
}

inline s_acknowledge(path, num)
{
	s_send(S_ACK, path, num, s_binding, 0);
	if
	:: !s_proven[path] && !(path == s_active && s_moving) -> s_challenge(path, s_addr[path])
	:: else
	fi
}

#define IS_SWITCH (M_PATH != s_active || s_addr[M_PATH] != M_ADDR)
#define NEEDED (M_W == QUALITY -> 2 : 1)

inline s_refuse(why)
{
	/* the JUMP in force is acknowledged, not refused */
	assert(!(M_PATH == s_active && M_ID == s_last && s_now == ATTACHED));
	s_send(S_REJECT, M_PATH, M_ID, s_binding, why)
}

inline s_commit()
{
	assert(M_ID >= c_done);
	if
	:: IS_SWITCH || s_now != ATTACHED ->
		assert(M_BINDING == s_binding);
#ifndef BREAK_WALK
		if
		:: s_now == ATTACHED ->
			s_event(EV_INSTABILITY, (M_W == DEAD -> WHY_CONSECUTIVE_DROP_EXCEEDED : WHY_POLICY_FORCED))
		:: else
		fi;
#endif
		s_event(EV_SWITCH_START, (M_W == DEAD -> WHY_DEAD_TRANSPORT_RECOVERY : WHY_POLICY_FORCED_RECOVERY));
		if
		:: IS_SWITCH ->
			assert(s_left > 0);
			s_left--; s_cool = true;
			s_binding++;
			path_of[s_binding] = M_PATH;
		:: else
		fi;
		if
		:: s_addr[M_PATH] != M_ADDR ->
			s_addr[M_PATH] = M_ADDR; s_proven[M_PATH] = false; s_asked[M_PATH] = 0
		:: else
		fi;
		if
		:: M_PATH != s_active || M_ADDR == s_addr[M_PATH] -> s_moving = false; s_trial = 0
		:: else
		fi;
		s_active = M_PATH;
		assert(used >> s_active & 1);
		s_event(EV_REATTACH_OK, WHY_REATTACH_SUCCESS);
		s_quiet = 0; s_lost = 0;
		if
		:: s_order && s_order_path == M_PATH -> s_order = false; s_order_path = 0
		:: else
		fi
	:: else
	fi;
	s_last = M_ID;
	s_acknowledge(M_PATH, M_ID)
}

inline s_jump()
{
	if
#ifndef BREAK_ACK_AGAIN
	:: M_PATH == s_active && M_ID == s_last && s_now == ATTACHED -> s_acknowledge(M_PATH, M_ID)
	:: !(M_PATH == s_active && M_ID == s_last && s_now == ATTACHED) ->
#else
	:: true ->
#endif
		if
#ifndef BREAK_ID_ORDER
		:: M_ID < s_last -> s_refuse(STALE_REQUEST)
		:: M_ID >= s_last ->
#else
		:: true ->
#endif
			if
#ifndef BREAK_BINDING
			:: M_BINDING != s_binding -> s_refuse(STALE_BINDING)
			:: M_BINDING == s_binding ->
#else
			:: true ->
#endif
				if
#ifndef BREAK_BUDGET
				:: IS_SWITCH && s_left < NEEDED -> s_refuse(RATE)
				:: IS_SWITCH && s_left >= NEEDED && s_cool -> s_refuse(COOLDOWN)
#endif
				:: else -> s_commit()
				fi
			fi
		fi
	fi
}

inline s_restored()
{
#ifndef BREAK_RESTORE
	if
	:: s_now == VOLATILE -> s_event(EV_HEALTH_RESTORED, WHY_HEALTH_RECOVERED)
	:: s_now == DEGRADED ->
		s_event(EV_SWITCH_START, WHY_HEALTH_RECOVERED);
		s_event(EV_REATTACH_OK, WHY_REATTACH_SUCCESS)
	:: else
	fi;
#endif
	s_lost = 0
}

inline s_receive()
{
	printf("server receives type %d path %d id %d binding %d address %d extra %d\n", M_TYPE, M_PATH, M_ID, M_BINDING, M_ADDR, M_W);
	if
#ifndef BREAK_ABSORBING
	:: s_now == TERMINATED -> /* its locator is unknown now: RESET */
		if
		:: M_TYPE != C_CLOSE && M_ADDR != THIEF -> s_send_to(S_CLOSE, M_PATH, 0, 0, 0, M_ADDR)
		:: else
		fi
	:: s_now != TERMINATED ->
#else
	:: true ->
#endif
		s_heard();
		if
		:: M_PATH == s_active -> s_quiet = 0
		:: else
		fi;
		if
		:: M_TYPE == C_JUMP -> s_jump()
		:: M_TYPE == C_PING ->
			s_send(S_PONG, M_PATH, 0, s_binding, 0);
			if
			:: !s_proven[M_PATH] && !(M_PATH == s_active && s_moving) ->
				s_challenge(M_PATH, s_addr[M_PATH])
			:: else
			fi
		:: M_TYPE == C_PONG && M_PATH == s_active && M_ADDR == s_addr[M_PATH] -> s_restored()
		:: M_TYPE == C_RESPONSE && s_asked[M_PATH] == M_ADDR + 1 && M_ID == M_ADDR ->
			if
			:: M_PATH == s_active && s_moving && M_ADDR == s_trial -> s_rebound()
			:: !(M_PATH == s_active && s_moving) && M_ADDR == s_addr[M_PATH] ->
				s_proven[M_PATH] = true; s_asked[M_PATH] = 0
			:: else
			fi
		:: M_TYPE == C_CLOSE -> assert(ended); s_event(EV_TERMINAL, WHY_PEER_CLOSED)
		:: else
		fi
	fi
}

/* --- the world --- */

inline deliver_c(which)
{
	TAKE(sc, which);
#ifdef BREAK_REPLAY
	seen = (m & SEEN) != 0;
	if
	:: !calm && !seen -> t = m; PUT(sc, t + SEEN)
	:: else
	fi;
#endif
	c_receive();
	seen = false; m = 0
}

inline deliver_s(which)
{
	TAKE(cs, which);
#ifdef BREAK_REPLAY
	seen = (m & SEEN) != 0;
	if
	:: !calm && !seen -> t = m; PUT(cs, t + SEEN)
	:: else
	fi;
#endif
	s_receive();
	seen = false; m = 0
}

inline c_ask_all()
{
	p = 0;
	do
	:: p < PATHS -> c_send(C_PING, p, 0, 0, 0); p++
	:: else -> break
	od;
	p = 0
}

/* Every timer of a round, in the calm. */
inline tick()
{
	round++;
	printf("round %d: client %d path %d binding %d, server %d path %d binding %d\n", round,
		 c_now, c_active, c_binding, s_now, s_active, s_binding);
	c_cool = false; s_cool = false; s_challenged = 0;
#ifdef DATA
	c_window = true;
#endif
	c_left = (c_left < BUDGET -> c_left + 1 : BUDGET);
	s_left = (s_left < BUDGET -> s_left + 1 : BUDGET);
	if
	:: c_now == ATTACHED ->
		c_unanswered++;
		if
		:: c_unanswered > 2 ->
			c_unanswered = 0;
			c_path_dead(WHY_CONSECUTIVE_DROP_EXCEEDED, (c_active + 1) % PATHS)
		:: else -> c_send(C_PING, c_active, 0, 0, 0)
		fi
	:: c_now == VOLATILE ->
		if
		:: c_again -> c_recover((c_active + 1) % PATHS)
		:: else -> c_ask_all()
		fi
	:: c_now == DEGRADED ->
		c_again = false; c_refused = 0;
		c_ask_all()
	:: c_now == RECOVERING ->
#ifndef BREAK_REPEAT
		c_unanswered++;
		if
		:: c_unanswered > 2 -> c_unanswered = 0; c_jump_to((c_path + 1) % PATHS)
		:: else -> c_send(C_JUMP, c_path, c_id, c_named, c_why)
		fi
#else
		skip
#endif
	:: else
	fi;
	if
	:: s_now == TERMINATED
	:: s_now != TERMINATED ->
		s_quiet = (s_quiet < 3 -> s_quiet + 1 : 3);
		if
		:: s_now == ATTACHED ->
			if
			:: s_quiet == 3 -> s_event(EV_INSTABILITY, WHY_HEARTBEAT_TIMEOUT)
			:: s_quiet == 2 -> s_send(S_PING, s_active, 0, 0, 0)
			:: else
			fi
		:: else ->
			s_lost++;
			if
			:: s_lost >= 6 && c_now == TERMINATED -> ended = true; s_event(EV_TERMINAL, WHY_TRANSPORT_TTL_EXCEEDED)
			:: else -> s_send(S_PING, s_active, 0, 0, 0)
			fi
		fi;
	fi;
	if
	:: s_order && s_now == ATTACHED -> s_order = false; s_order_path = 0 /* asked often enough */
	:: else
	fi
}

active proctype world()
{
	used = 1;
#ifdef ADDRESSES
	s_known[0] = true; s_proven[0] = true;
#else
	p = 0;
	do
	:: p < PATHS -> s_known[p] = true; s_proven[p] = true; used = used | 1 << p; p++
	:: else -> break
	od;
	p = 0;
#endif
	do
	/* what is under way arrives */
	:: atomic { !calm && cs[NET - 1] != 0 ->
		j = NET - 1;
		do
		:: j > 0 && cs[j - 1] != 0 -> j--
		:: break
		od;
		skip;
		d_step { deliver_s(j); j = 0 } }
	:: atomic { !calm && sc[NET - 1] != 0 ->
		j = NET - 1;
		do
		:: j > 0 && sc[j - 1] != 0 -> j--
		:: break
		od;
		skip;
		d_step { deliver_c(j); j = 0 } }
	/* or does not, or later than one would think, or from elsewhere */
	:: atomic { !calm && cs[NET - 1] != 0 ->
		j = NET - 1;
		do
		:: j > 0 && cs[j - 1] != 0 -> j--
		:: break
		od;
		skip;
		d_step { TAKE(cs, j); j = 0; }
		if
		:: true
#ifdef KEPT
		:: cs_held == 0 -> cs_held = m
#endif
#ifdef ADDRESSES
		:: acts < ACTS && (m & SEEN) == 0 && (m >> 13 & 3) != THIEF -> acts++; m = m - ((m >> 13 & 3) << 13) + (THIEF << 13); d_step { s_receive(); }
#endif
		fi;
		m = 0 }
	:: atomic { !calm && sc[NET - 1] != 0 ->
		j = NET - 1;
		do
		:: j > 0 && sc[j - 1] != 0 -> j--
		:: break
		od;
		skip;
		d_step { TAKE(sc, j); j = 0; }
		if
		:: true
#ifdef KEPT
		:: sc_held == 0 && M_TYPE != S_PONG -> sc_held = m
#endif
		fi;
		m = 0 }
	:: d_step { cs_held != 0 -> m = cs_held; cs_held = 0; s_receive(); m = 0; round = 0 }
	:: d_step { sc_held != 0 -> m = sc_held; sc_held = 0; c_receive(); m = 0; round = 0 }

	/* the client's timers and evidence */
	:: atomic { !calm && c_now == ATTACHED && acts < ACTS && c_next < IDS ->
		acts++;
		if
		:: p = 0
		:: PATHS > 1 -> p = 1
		:: PATHS > 2 -> p = 2
		fi;
		if
		:: p != c_active -> d_step { c_path_dead(WHY_CONSECUTIVE_DROP_EXCEEDED, p) }
		:: p != c_active -> d_step { c_ordered(p) }
		:: c_event(EV_INSTABILITY, WHY_TRANSPORT_DEAD) /* nowhere to go */
		fi;
		p = 0 }
	:: d_step { !calm && c_now == VOLATILE && c_again && c_next < IDS -> c_recover((c_active + 1) % PATHS) }
	:: d_step { !calm && c_now == VOLATILE -> c_event(EV_DEGRADE, WHY_VOLATILE_PERSISTED) }
#ifdef PINGS
	:: atomic { !calm && c_now != TERMINATED ->
		if
		:: p = 0
		:: PATHS > 1 -> p = 1
		:: PATHS > 2 -> p = 2
		fi;
		d_step { c_send(C_PING, p, 0, 0, 0); p = 0 } }
	:: d_step { !calm && s_now != TERMINATED -> s_send(S_PING, s_active, 0, 0, 0) }
#else
	/* What a PING and its way would add is covered by PONGs that come unasked. */
	:: atomic { !calm && s_now != TERMINATED ->
		if
		:: p = 0
		:: PATHS > 1 -> p = 1
		:: PATHS > 2 -> p = 2
		fi;
		d_step { s_send(S_PONG, p, 0, s_binding, 0); p = 0 } }
	:: d_step { !calm && (s_now == VOLATILE || s_now == DEGRADED) -> s_restored() }
#endif
#ifdef ADDRESSES
	:: d_step { !calm && c_now != TERMINATED -> c_send(C_PING, c_active, 0, 0, 0) }
#endif
	:: d_step { !calm && c_now == RECOVERING -> c_send(C_JUMP, c_path, c_id, c_named, c_why) }
	:: d_step { !calm && c_now == RECOVERING && c_next < IDS -> c_jump_to((c_path + 1) % PATHS) }
	:: d_step { !calm && c_now == RECOVERING -> c_fails(WHY_RECOVERY_WINDOW_EXPIRED) }
	:: d_step { !calm && c_cool -> c_cool = false }
	:: d_step { !calm && c_left < BUDGET -> c_left++ }

	/* the server's */
	:: d_step { !calm && s_now == ATTACHED -> s_event(EV_INSTABILITY, WHY_HEARTBEAT_TIMEOUT) }
	:: d_step { !calm && s_now == VOLATILE -> s_event(EV_DEGRADE, WHY_VOLATILE_PERSISTED) }
#ifdef PEER_DEAD
	:: d_step { !calm && s_now == VOLATILE -> j = (s_active + 1) % PATHS;
		if
		:: s_known[j] && s_proven[j] -> s_send(S_PEER_DEAD, j, 0, 0, 0)
		:: else
		fi; j = 0 }
#endif
	:: d_step { !calm && s_cool -> s_cool = false }
	:: d_step { !calm && s_left < BUDGET -> s_left++ }
#ifdef ORDERS
	:: d_step { !calm && s_now == ATTACHED && acts < ACTS && !s_order ->
		acts++; s_order = true; s_order_path = (s_active + 1) % PATHS }
	:: d_step { !calm && s_order && s_now == ATTACHED -> s_send(S_ASK, s_active, s_order_path, s_binding, 0) }
	:: d_step { !calm && s_order -> s_order = false; s_order_path = 0 }
#endif
#ifdef ADDRESSES
	:: atomic { !calm && acts < ACTS ->
		acts++;
		if
		:: p = 0
		:: PATHS > 1 -> p = 1
		fi;
		addr[p] = 1 - addr[p]; p = 0 }
#endif
#ifdef ENDS
	:: d_step { !calm && c_now != TERMINATED && acts < ACTS ->
		acts++; ended = true;
		c_send(C_CLOSE, c_active, 0, 0, 0);
		c_event(EV_TERMINAL, WHY_OPERATOR_TERMINATED); c_quits(); c_again = false }
	:: d_step { !calm && s_now != TERMINATED && acts < ACTS ->
		acts++; ended = true;
		s_send(S_CLOSE, s_active, 0, 0, 0);
		s_event(EV_TERMINAL, WHY_SUPERSEDED) }
#endif

	/* the calm */
	:: atomic { !calm ->
		if
		:: down = 0
		:: PATHS > 1 -> down = 1
		:: PATHS > 1 -> down = 2
		:: PATHS > 2 -> down = 3 /* the last path alone is left */
		fi;
#ifdef DATA
		if
		:: mute = 1
		:: PATHS > 1 -> mute = 2
		:: PATHS > 2 -> mute = 3
		fi;
		if
		:: (down | mute) == (1 << PATHS) - 1 -> down = 0
		:: else
		fi;
#endif
		d_step { printf("calm, down %d, mute %d\n", down, mute); calm = true; acts = ACTS; c_unanswered = 0; } }
	:: d_step { calm && round < ROUNDS ->
		j = 0;
		do
		:: sc[NET - 1] != 0 -> deliver_c(NET - 1); j++; assert(j < 100) /* no endless talk without a timer */
		:: sc[NET - 1] == 0 && cs[NET - 1] != 0 -> deliver_s(NET - 1)
		:: else -> break
		od;
		j = 0;
		if
		:: WELL && cs_held == 0 && sc_held == 0 ->
			round = ROUNDS
		:: else -> tick()
		fi }
	:: calm && round == ROUNDS ->
		assert(AGREE);
		assert(!(c_now == ATTACHED && (mute >> c_active & 1)));
		break
	od
}
