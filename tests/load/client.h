/*
 * One client among many: what it keeps, and the whole run they share. It is a client of its own, written from
 * jumpvpn-protocol(7) over src/proto and src/crypto, so that it costs some 500 bytes and can be rude.
 *
 * It has one path, number 0, and opens it anew from another port (another socket of net.h) when that dies. It leaves out
 * standby paths, loss, resending and path MTU; see "A MINIMAL CLIENT".
 */
#pragma once

#include "base/wire.h"
#include "load/net.h"
#include "load/stat.h"
#include "load/wheel.h"
#include "proto/cookie.h"
#include "proto/frame.h"
#include "proto/noise.h"
#include "proto/packet.h"

#define SLOTS 3       /* locators of a client with one path: that one and PROTO_SPARE_LOCATORS */
#define HELLOS_KEPT 3 /* as many may still be answered */

enum phase {
	PHASE_OUT,     /* not begun */
	PHASE_CALLING, /* HELLOs go out */
	PHASE_BIRTH,   /* a WELCOME came, and is confirmed */
	PHASE_ATTACHED,
	PHASE_LOST, /* the path is dead: JUMPs go out on the next */
};

struct hello_sent { /* of a HELLO that may still be answered */
	struct noise noise;
	uint8_t id[8], mac1[PROTO_MAC_LEN];
};

struct call { /* of a client that is CALLING */
	struct hello_sent sent[HELLOS_KEPT];
	uint32_t n;
};

struct epoch_keys {
	uint8_t key[PROTO_KEY_LEN], iv[PROTO_NONCE_LEN];
};

struct client_keys {
	uint8_t secret[32];          /* of the newest epoch */
	struct epoch_keys tx, rx[2]; /* the latter by the number of the epoch, modulo 2 */
	uint8_t tx_mask[PROTO_KEY_LEN], rx_mask[PROTO_KEY_LEN];
};

struct agreement { /* of a client whose rekey is under way */
	uint8_t e_priv[32], e_pub[32];
	bool offered; /* by us */
};

struct client {
	uint8_t phase;
	uint8_t port; /* index of its socket */
	uint8_t slot; /* whose locator is in use */
	uint8_t suite;
	uint8_t calls; /* HELLOs from this port */
	uint8_t round; /* of HELLOs, PINGs or JUMPs without an answer: each waits longer than the one before */
	uint8_t new_epoch; /* tx has to follow: the server has not sealed with the newest one yet */
	uint8_t spent;     /* a bit for each slot that the server may give another locator */
	uint8_t left;      /* slot of the path that was left; SLOTS: none */
	bool has_cookie, carries;
	uint32_t epoch;   /* that it seals with */
	uint32_t next_ms; /* its own business; WHEEL_NONE: never, as for the next DATA and OFFER: */
	uint32_t data_ms, rekey_ms;
	uint32_t since_ms, heard_ms; /* the first HELLO or the loss; what authentic came last */
	uint32_t born_ms, moved_ms;  /* of the session; that it was on this path */
	uint32_t ping_id, jump_id, binding, generation, locators_seq;
	uint32_t sent, received; /* on this path, for reports */
	uint32_t srtt_us, rttvar_us;
	uint64_t tx_counter;
	uint64_t rx_data, tx_data; /* highest counter of DATA + 1 in its epoch, or 0 */
	uint8_t rx_data_epoch, tx_data_epoch;
	uint8_t cookie[PROTO_MAC_LEN];
	uint8_t locator[SLOTS][8], token[SLOTS][PROTO_TOKEN_LEN];
	bool called; /* these are known: */
	uint8_t s_pub[32], ss[32];
	struct call *call;
	struct agreement *agreement;
	struct client_keys keys;
};

struct load {
	struct client *client;
	uint32_t n, started;
	uint32_t attached, lost, rekeying; /* how many are so now */
	struct wheel wheel;
	struct net *net;
	struct measured stat;
	struct prng prng;
	uint64_t seed, start_ns, mark_us;
	uint64_t now_us, last_attached_us;
	bool rude; /* no back-off, no chance in when something is said again */
	uint8_t server_public[32];
	struct cookie_keys cookie_keys;
	struct policy policy;           /* of the last WELCOME */
	uint32_t carry_us, carry_bytes; /* DATA of each that carries: time from one to the next, and length */
	struct aead_key *aead;
	struct mask_key *mask;
};

static inline uint32_t load_ms(const struct load *l)
{
	return (uint32_t)(l->now_us / 1000);
}

static inline uint32_t client_index(const struct load *l, const struct client *c)
{
	return (uint32_t)(c - l->client);
}

/* --- who they are (peers.c) --- */

void peer_private(const struct load *l, uint32_t i, uint8_t key[32]);
/* The address it comes from, and the one inside; in host byte order. */
uint32_t peer_outside(uint32_t i);
uint32_t peer_inside(uint32_t i);
/* Whose address that is; `n` or more: nobody's. */
uint32_t peer_at(uint32_t outside);
void peers_write(const struct load *l, FILE *out); /* as a list for peers_dir */

/* --- the handshake (call.c) --- */

/* The first HELLO goes out after `ms`. */
void call_begin(struct load *l, struct client *c, uint32_t ms);
void call_timer(struct load *l, struct client *c);
void call_cookie(struct load *l, struct client *c, const struct packet_cookie *p);
/* Makes the session of it, in BIRTH. */
void call_welcome(struct load *l, struct client *c, const struct packet_welcome *p);

/* --- sealed packets (sealed.c) --- */

struct control {
	uint8_t plain[PROTO_CONTROL_MAX];
	struct writer w;
};

void keys_begin(struct client *c, const struct noise_split *split);
/* The next epoch: its packets are opened from now on. */
void keys_follow(struct client *c, const uint8_t shared[32]);
/* And sealed. */
void keys_use(struct client *c);
void control_begin(struct control *ct);
void control_send(struct load *l, struct client *c, struct control *ct);
void data_send(struct load *l, struct client *c, const uint8_t *inner, size_t len);
/* Opens in place; the length of the plaintext, or 0. */
size_t sealed_open(struct load *l, struct client *c, uint8_t *packet, size_t len, struct packet_id *id);

/* --- the session (session.c) --- */

void session_confirm(struct load *l, struct client *c);
void session_timer(struct load *l, struct client *c);
void session_datagram(struct load *l, struct client *c, uint8_t *packet, size_t len);
void session_reset(struct load *l, struct client *c, const struct packet_reset *p);
/* Its path is gone, as a link that went down tells. */
void session_path_dies(struct load *l, struct client *c);
void session_ask(struct load *l, struct client *c); /* whether the server is there */
void session_rekey(struct load *l, struct client *c);
void session_agreed(struct load *l, struct client *c); /* on the next epoch */
void session_carries(struct load *l, struct client *c, bool on);

/* --- all of them (client.c) --- */

void client_phase(struct load *l, struct client *c, enum phase phase);
/* Times are set; the wheel has to know. */
void client_timer_set(struct load *l, struct client *c);
/* `ms`, twice as long with each round up to `most`, a quarter more or less by chance; for who is rude, `ms`. */
uint32_t client_wait(struct load *l, uint32_t ms, uint32_t round, uint32_t most);
void client_timer(struct load *l, struct client *c);
void client_took(void *ctx, unsigned int port, uint32_t address, uint8_t *data, size_t len);
