/* Keys, and packets that are sealed with them. An idle client's keys are expanded when they are needed. */
#include "load/client.h"

#include "crypto/crypto.h"

static void epoch_derive(struct epoch_keys *k, const uint8_t secret[32], const char *key, const char *iv)
{
	hkdf_expand(k->key, sizeof(k->key), secret, key);
	hkdf_expand(k->iv, sizeof(k->iv), secret, iv);
}

static void rx_derive(struct client *c, uint32_t epoch)
{
	epoch_derive(&c->keys.rx[epoch & 1], c->keys.secret, "JumpVPN/1 key s2c", "JumpVPN/1 iv s2c");
}

static void tx_derive(struct client *c)
{
	epoch_derive(&c->keys.tx, c->keys.secret, "JumpVPN/1 key c2s", "JumpVPN/1 iv c2s");
	c->tx_counter = 0;
}

void keys_begin(struct client *c, const struct noise_split *split)
{
	uint8_t ikm[64];

	memcpy(ikm, split->i2r, 32);
	memcpy(ikm + 32, split->r2i, 32);
	hkdf_extract(c->keys.secret, split->h, 32, ikm, sizeof(ikm));
	hkdf_expand(c->keys.tx_mask, sizeof(c->keys.tx_mask), c->keys.secret, "JumpVPN/1 hp c2s");
	hkdf_expand(c->keys.rx_mask, sizeof(c->keys.rx_mask), c->keys.secret, "JumpVPN/1 hp s2c");
	c->epoch = 0;
	c->new_epoch = false;
	tx_derive(c);
	rx_derive(c, 0);
}

void keys_follow(struct client *c, const uint8_t shared[32])
{
	uint8_t salt[32];

	hkdf_expand(salt, sizeof(salt), c->keys.secret, "JumpVPN/1 rekey");
	hkdf_extract(c->keys.secret, salt, sizeof(salt), shared, 32);
	rx_derive(c, c->epoch + 1);
	c->new_epoch = true;
}

void keys_use(struct client *c)
{
	c->epoch++;
	c->new_epoch = false;
	tx_derive(c);
}

static void seal_and_send(struct load *l, struct client *c, const uint8_t *plain, size_t len,
			  enum sealed_kind kind)
{
	uint8_t *packet = net_room(l->net, c->port, peer_outside(client_index(l, c)));

	if (!aead_key_init(l->aead, c->suite, c->keys.tx.key))
		die("no memory");
	mask_key_init(l->mask, c->suite, c->keys.tx_mask);
	len = packet_seal(packet, plain, len, kind, (uint8_t)c->epoch, c->tx_counter++, c->locator[c->slot],
			  l->aead, c->keys.tx.iv, l->mask);
	aead_key_clear(l->aead);
	mask_key_clear(l->mask);
	net_send(l->net, c->port, len);
}

void control_begin(struct control *ct)
{
	ct->w = writer_init(ct->plain, PROTO_CONTROL_MAX - PROTO_OVERHEAD);
}

void control_send(struct load *l, struct client *c, struct control *ct)
{
	const size_t small = PROTO_CONTROL_SMALL - PROTO_OVERHEAD;
	const size_t len = ct->w.len <= small ? small : PROTO_CONTROL_MAX - PROTO_OVERHEAD;

	write_zeroes(&ct->w, len - ct->w.len); /* FRAME_PAD */
	c->sent++;
	seal_and_send(l, c, ct->plain, len, SEALED_CONTROL);
}

void data_send(struct load *l, struct client *c, const uint8_t *inner, size_t len)
{
	c->sent++;
	c->tx_data = c->tx_counter + 1;
	c->tx_data_epoch = (uint8_t)c->epoch;
	seal_and_send(l, c, inner, len, SEALED_DATA);
	l->stat.n[STAT_data_sent]++;
}

size_t sealed_open(struct load *l, struct client *c, uint8_t *packet, size_t len, struct packet_id *id)
{
	const uint32_t newest = c->epoch + c->new_epoch;
	uint32_t epoch = newest;
	bool ok;

	mask_key_init(l->mask, c->suite, c->keys.rx_mask);
	*id = packet_unmask(packet, l->mask);
	mask_key_clear(l->mask);
	if ((epoch & PROTO_EPOCH_MASK) != id->epoch)
		epoch--;
	if ((epoch & PROTO_EPOCH_MASK) != id->epoch || epoch > newest ||
	    !aead_key_init(l->aead, c->suite, c->keys.rx[epoch & 1].key))
		return 0;
	ok = packet_open(packet + PROTO_HEADER_LEN, packet, len, id, l->aead, c->keys.rx[epoch & 1].iv);
	aead_key_clear(l->aead);
	if (!ok)
		return 0;
	if (c->new_epoch && epoch == newest) { /* the server seals with it: we had answered its OFFER */
		keys_use(c);
		session_agreed(l, c);
	}
	return len - PROTO_OVERHEAD;
}
