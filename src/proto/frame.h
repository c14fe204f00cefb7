/*
 * CONTROL frames, where they lie: a type, and a pointer to the wire struct of proto.h in the packet that brought it, or
 * that is to be written. Numbers are taken out and put in by get_be32() and its kin, where they are used.
 *
 * Reading is strict: unknown types, short bodies, counts or values out of range make the whole packet
 * invalid. What frame_next() hands out has been checked against the bounds of proto.h.
 */
#pragma once

#include "base/addr.h"
#include "base/wire.h"
#include "jumpvpn/policy.h"
#include "jumpvpn/proto.h"

struct path_report {
	uint32_t sent;
	uint32_t received;
	uint8_t epoch;
	uint64_t highest; /* of DATA accepted: its counter + 1 */
	uint8_t newest_epoch;
	uint64_t newest; /* of DATA sent: its counter + 1 */
};

struct locator {
	uint8_t slot;
	uint8_t locator[8];
	uint8_t token[PROTO_TOKEN_LEN];
};

struct net_item {
	enum net_item_kind kind;
	struct prefix prefix; /* an address keeps its host bits; DNS has length 128 */
};

/* Net items that fit into one POLICY frame, and into all of one generation. */
#define POLICY_ITEMS_MAX 48
#define POLICY_PARTS_MAX 16

struct frame {
	enum frame_type type;
	union { /* of this type; what a list has stands behind its body */
		const void *body;
		const struct frame_ping *ping;
		const struct frame_pong *pong;
		const struct frame_jump *jump;
		const struct frame_jump_ack *jump_ack;
		const struct frame_jump_reject *jump_reject;
		const struct frame_path_probe *path_probe; /* PATH_CHALLENGE and PATH_RESPONSE */
		const struct frame_locators *locators;
		const struct frame_rekey *rekey; /* REKEY_OFFER and REKEY_ACCEPT */
		const struct frame_policy *policy;
		const struct frame_close *close;
		const struct frame_probe *probe;
		const struct frame_probe_ack *probe_ack;
	};
};

/* Appends; the writer's sticky error tells when it did not fit, and then nothing of it was written. */
void frame_write(struct writer *w, const struct frame *f);
/*
 * The next frame behind any padding. True: *f is one, and lies in what is read. False: the packet is at its end, or invalid when
 * r->error is set.
 */
bool frame_next(struct reader *r, struct frame *f);

/* The list of LOCATORS or POLICY: as many as its body says. */
static inline const struct wire_locator *frame_locators(const struct frame *f)
{
	return (const struct wire_locator *)(f->locators + 1);
}

static inline const struct wire_net_item *frame_items(const struct frame *f)
{
	return (const struct wire_net_item *)(f->policy + 1);
}

/* To and from what is kept. A policy that is out of bounds is none. */
struct path_report frame_report(const struct wire_path_report *w);
void frame_put_policy(struct wire_policy *w, const struct policy *p);
bool frame_policy(struct policy *p, const struct wire_policy *w);
void frame_put_items(struct wire_net_item *w, const struct net_item *item, size_t count);
/* False: one of them is none. */
bool frame_get_items(struct net_item *item, const struct wire_net_item *w, size_t count);

/* FRAME_PING ... as "PING", for traces; NULL when unknown. */
const char *frame_name(unsigned int type);

/* What a WELCOME says, decoded; checked like a POLICY frame. */
struct welcome {
	uint8_t session_id[PROTO_SESSION_ID_LEN];
	enum suite suite;
	uint32_t policy_generation;
	uint16_t mtu;
	uint8_t parts; /* POLICY frames still to come */
	struct policy policy;
	uint8_t locators;
	struct locator locator[PROTO_SLOTS_MAX];
	uint8_t items;
	struct net_item item[POLICY_ITEMS_MAX];
};

/* PROTO_WELCOME_PAYLOAD bytes, at the beginning of the writer's room; its error when the lists do not fit. */
void welcome_write(struct writer *w, const struct welcome *in);
/* False: too short, values out of their bounds, or no locator. What stands behind the lists is for later versions. */
bool welcome_read(const uint8_t *data, size_t len, struct welcome *out);
