/*
 * What makes a frame valid, and where it ends.
 *
 * There is one encoding of each frame: what is valid is written as the same bytes again.
 */
#include "proto/frame.h"

#include "base/log.h"
#include "jumpvpn/reason.h"

/* --- what is kept otherwise than it is sent --- */

struct path_report frame_report(const struct wire_path_report *w)
{
	return (struct path_report){
		.sent = get_be32(w->sent),
		.received = get_be32(w->received),
		.epoch = w->epoch,
		.highest = get_be48(w->highest),
		.newest_epoch = w->newest_epoch,
		.newest = get_be48(w->newest),
	};
}

void frame_put_policy(struct wire_policy *w, const struct policy *p)
{
	be32 *value = w->value;

	static_assert(sizeof(w->value) == POLICY_KEYS * sizeof(be32), "wire_policy carries every key");
#define X(section, key, KIND, def, least, most) *value++ = put_be32(p->key);
	POLICY_LIST(X)
#undef X
}

enum policy_kind { KIND_MS, KIND_COUNT, KIND_BYTES, KIND_PPM, KIND_POW2 };

static bool policy_value(uint32_t *out, be32 wire, enum policy_kind kind, uint32_t least, uint32_t most)
{
	*out = get_be32(wire);
	if (kind == KIND_POW2 && (*out & (*out - 1)) != 0)
		return false;
	return *out >= least && *out <= most;
}

bool frame_policy(struct policy *p, const struct wire_policy *w)
{
	const be32 *value = w->value;
	bool ok = true;

#define X(section, key, KIND, def, least, most)                                                    \
	ok &= policy_value(&p->key, *value++, KIND_##KIND, least, most);
	POLICY_LIST(X)
#undef X
	return ok;
}

void frame_put_items(struct wire_net_item *w, const struct net_item *item, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		w[i].kind = (uint8_t)item[i].kind;
		w[i].prefix = item[i].prefix.len;
		memcpy(w[i].ip, item[i].prefix.ip.b, sizeof(w[i].ip));
	}
}

static bool item_is_valid(const struct net_item *item)
{
	const struct prefix *p = &item->prefix;
	struct ip net;

	if (p->len > 128 || (ip_is_v4(&p->ip) && p->len < 96))
		return false;
	switch (item->kind) {
	case NET_ITEM_ADDRESS:
		return true;
	case NET_ITEM_ROUTE:
		net = ip_masked(&p->ip, p->len);
		return ip_equal(&net, &p->ip);
	case NET_ITEM_DNS:
		return p->len == 128;
	}
	return false;
}

bool frame_get_items(struct net_item *item, const struct wire_net_item *w, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		item[i].kind = w[i].kind;
		item[i].prefix.len = w[i].prefix;
		memcpy(item[i].prefix.ip.b, w[i].ip, sizeof(w[i].ip));
		if (!item_is_valid(&item[i]))
			return false;
	}
	return true;
}

/* --- what is valid --- */

static bool locators_are_valid(const struct wire_locator *l, unsigned int count)
{
	if (count < 1 || count > PROTO_SLOTS_MAX)
		return false;
	for (unsigned int i = 0; i < count; i++)
		if (l[i].slot != i)
			return false;
	return true;
}

static bool mtu_is_valid(uint16_t mtu)
{
	return mtu >= PROTO_MTU_MIN && mtu <= PROTO_MTU_MAX;
}

static bool policy_is_valid(const struct frame *f)
{
	const struct frame_policy *p = f->policy;
	struct net_item item[POLICY_ITEMS_MAX];
	struct policy policy;

	return get_be32(p->generation) != 0 && p->parts <= POLICY_PARTS_MAX && p->part < p->parts &&
	       mtu_is_valid(get_be16(p->mtu)) && frame_policy(&policy, &p->policy) &&
	       frame_get_items(item, frame_items(f), p->items);
}

static bool ping_is_valid(const struct frame_ping *p)
{
	return get_be32(p->id) != 0 && p->path < PROTO_PATHS_MAX &&
	       (p->flags & ~(unsigned int)PING_PEER_DEAD) == 0 && get_be16(p->spent) < 1u << PROTO_SLOTS_MAX;
}

static bool is_valid(const struct frame *f)
{
	switch (f->type) {
	case FRAME_PING:
		return ping_is_valid(f->ping);
	case FRAME_PONG:
		return f->pong->path < PROTO_PATHS_MAX && f->pong->zero == 0;
	case FRAME_JUMP:
		return get_be32(f->jump->id) != 0 && f->jump->path < PROTO_PATHS_MAX && reason_name(f->jump->reason);
	case FRAME_JUMP_REJECT:
		return reason_name(f->jump_reject->reason);
	case FRAME_LOCATORS:
		return locators_are_valid(frame_locators(f), f->locators->count);
	case FRAME_POLICY:
		return policy_is_valid(f);
	case FRAME_CLOSE:
		return reason_name(f->close->reason);
	case FRAME_PROBE:
		return (f->probe->flags & ~(unsigned int)PROBE_BACK) == 0;
	default:
		return true;
	}
}

/* --- all of them --- */

static const struct format {
	const char *name; /* NULL: unknown, or padding, which is no frame */
	size_t body;      /* without its list */
} formats[] = {
	[FRAME_PING] = { "PING", sizeof(struct frame_ping) },
	[FRAME_PONG] = { "PONG", sizeof(struct frame_pong) },
	[FRAME_JUMP] = { "JUMP", sizeof(struct frame_jump) },
	[FRAME_JUMP_ACK] = { "JUMP_ACK", sizeof(struct frame_jump_ack) },
	[FRAME_JUMP_REJECT] = { "JUMP_REJECT", sizeof(struct frame_jump_reject) },
	[FRAME_PATH_CHALLENGE] = { "PATH_CHALLENGE", sizeof(struct frame_path_probe) },
	[FRAME_PATH_RESPONSE] = { "PATH_RESPONSE", sizeof(struct frame_path_probe) },
	[FRAME_LOCATORS] = { "LOCATORS", sizeof(struct frame_locators) },
	[FRAME_REKEY_OFFER] = { "REKEY_OFFER", sizeof(struct frame_rekey) },
	[FRAME_REKEY_ACCEPT] = { "REKEY_ACCEPT", sizeof(struct frame_rekey) },
	[FRAME_POLICY] = { "POLICY", sizeof(struct frame_policy) },
	[FRAME_CLOSE] = { "CLOSE", sizeof(struct frame_close) },
	[FRAME_PROBE] = { "PROBE", sizeof(struct frame_probe) },
	[FRAME_PROBE_ACK] = { "PROBE_ACK", sizeof(struct frame_probe_ack) },
};

const char *frame_name(unsigned int type)
{
	if (type == FRAME_PAD)
		return "PAD";
	return type < sizeof(formats) / sizeof(formats[0]) ? formats[type].name : NULL;
}

/* Of the body and its list. SIZE_MAX: it has more than it may. */
static size_t size_of(const struct frame *f)
{
	const size_t body = formats[f->type].body;

	if (f->type == FRAME_LOCATORS && f->locators->count > PROTO_SLOTS_MAX)
		return SIZE_MAX;
	if (f->type == FRAME_LOCATORS)
		return body + f->locators->count * sizeof(struct wire_locator);
	if (f->type == FRAME_POLICY && f->policy->items > POLICY_ITEMS_MAX)
		return SIZE_MAX;
	if (f->type == FRAME_POLICY)
		return body + f->policy->items * sizeof(struct wire_net_item);
	return body;
}

/* Sets the error now if `size` bytes will not fit, so that nothing is written in part. */
static bool fits(struct writer *w, size_t size)
{
	if (w->cap - w->len < size)
		w->error = true;
	return !w->error;
}

void frame_write(struct writer *w, const struct frame *f)
{
	size_t size;

	if (f->type == FRAME_PAD || !frame_name(f->type))
		bug("frame_write: type %u", (unsigned int)f->type);
	size = size_of(f);
	if (size == SIZE_MAX)
		bug("frame_write: a list too long in a %s", frame_name(f->type));
	if (!fits(w, 1 + size))
		return;
	write_u8(w, (uint8_t)f->type);
	write_bytes(w, f->body, size);
}

bool frame_next(struct reader *r, struct frame *f)
{
	while (r->left > 0 && *r->at == FRAME_PAD) {
		r->at++;
		r->left--;
	}
	if (r->error || r->left == 0)
		return false;
	f->type = read_u8(r);
	f->body = r->at;
	if (!frame_name(f->type) || r->left < formats[f->type].body || r->left < size_of(f) || !is_valid(f)) {
		r->error = true;
		return false;
	}
	r->at += size_of(f);
	r->left -= size_of(f);
	return true;
}

/* --- WELCOME --- */

void welcome_write(struct writer *w, const struct welcome *in)
{
	struct welcome_payload wire = {
		.suite = (uint8_t)in->suite,
		.locators = in->locators,
		.items = in->items,
		.parts = in->parts,
		.policy_generation = put_be32(in->policy_generation),
		.mtu = put_be16(in->mtu),
	};

	struct wire_net_item items[POLICY_ITEMS_MAX];

	if (in->locators > PROTO_SLOTS_MAX || in->items > POLICY_ITEMS_MAX)
		bug("welcome_write: %u locators, %u net items", in->locators, in->items);
	w->error |= sizeof(wire) + in->locators * sizeof(struct wire_locator) +
			    in->items * sizeof(struct wire_net_item) >
		    PROTO_WELCOME_PAYLOAD;
	if (!fits(w, PROTO_WELCOME_PAYLOAD))
		return;
	memcpy(wire.session_id, in->session_id, sizeof(wire.session_id));
	frame_put_policy(&wire.policy, &in->policy);
	write_bytes(w, &wire, sizeof(wire));
	for (uint8_t i = 0; i < in->locators; i++) {
		struct wire_locator l = { .slot = in->locator[i].slot };

		memcpy(l.locator, in->locator[i].locator, sizeof(l.locator));
		memcpy(l.token, in->locator[i].token, sizeof(l.token));
		write_bytes(w, &l, sizeof(l));
	}
	frame_put_items(items, in->item, in->items);
	write_bytes(w, items, in->items * sizeof(items[0]));
	write_zeroes(w, PROTO_WELCOME_PAYLOAD - w->len);
}

static bool welcome_header_is_valid(const struct welcome_payload *wire)
{
	return (wire->suite == SUITE_AES_256_GCM || wire->suite == SUITE_CHACHA20_POLY1305) &&
	       get_be32(wire->policy_generation) != 0 && wire->parts <= POLICY_PARTS_MAX && mtu_is_valid(get_be16(wire->mtu)) && wire->zero[0] == 0 &&
	       wire->zero[1] == 0;
}

bool welcome_read(const uint8_t *data, size_t len, struct welcome *out)
{
	const struct welcome_payload *wire = (const void *)data;
	const struct wire_locator *l = (const void *)(wire + 1);

	if (len < sizeof(*wire) || !welcome_header_is_valid(wire))
		return false;
	memcpy(out->session_id, wire->session_id, sizeof(out->session_id));
	out->suite = wire->suite;
	out->policy_generation = get_be32(wire->policy_generation);
	out->mtu = get_be16(wire->mtu);
	out->parts = wire->parts;
	out->locators = wire->locators;
	out->items = wire->items;
	if (len - sizeof(*wire) < out->locators * sizeof(*l) + out->items * sizeof(struct wire_net_item) ||
	    !frame_policy(&out->policy, &wire->policy) || !locators_are_valid(l, out->locators))
		return false;
	for (uint8_t i = 0; i < out->locators; i++) {
		out->locator[i].slot = l[i].slot;
		memcpy(out->locator[i].locator, l[i].locator, sizeof(l[i].locator));
		memcpy(out->locator[i].token, l[i].token, sizeof(l[i].token));
	}
	return out->items <= POLICY_ITEMS_MAX &&
	       frame_get_items(out->item, (const void *)(l + out->locators), out->items);
}
