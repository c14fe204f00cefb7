/*
 * HELLOs of somebody who means no good, at a set rate, from as many addresses and ports as he may have.
 *
 *     knock --to ADDR:PORT --from PREFIX/LEN --kind KIND --rate N [--ms N] | --count N
 *           [--key F] [--file F] [--ready-file F]
 *
 * KIND: mac1    noise of a HELLO's type and length
 *       mac2    noise with the mac1 that who knows the server's public key can make, and a wrong mac2
 *       new     the same without mac2, as the first HELLO of a client is: only a key agreement shows that it is none
 *       replay  HELLOs that stand in --file, as capture writes it, one after the other
 *
 * --key is the server's public key, as pubkey writes it. Source addresses are random ones of the prefix, which must be
 * local here ("ip route add local PREFIX dev lo"), ports those of 64 sockets. What comes back is not read. --rate is a
 * second, as pace.h keeps it; --count as fast as it goes. Prints one JSON object.
 */
#include <getopt.h>

#include "base/text.h"
#include "pace.h"
#include "proto/cookie.h"

#define BATCH 32
#define PORTS 64
#define RECORDED_MOST 1024

enum kind { KIND_MAC1, KIND_MAC2, KIND_NEW, KIND_REPLAY };

static const char *const kind_name[] = { "mac1", "mac2", "new", "replay" };

struct knocker {
	struct address to, from;
	unsigned int from_bits;
	enum kind kind;
	struct cookie_keys keys;
	struct prng prng;
	int fd[PORTS];
	unsigned int turn; /* whose it is of these */
	struct packet_hello recorded[RECORDED_MOST];
	size_t nrecorded, next;
};

union source {
	struct cmsghdr align;
	uint8_t buf[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

static void fill(struct prng *p, void *out, size_t len)
{
	for (uint8_t *at = out; len > 0; at += 8, len -= 8) {
		const uint64_t r = prng_next(p);

		memcpy(at, &r, 8);
	}
}

/* The payload stays as it is: nobody looks at it who has not looked at the rest. */
static void make_hello(struct knocker *k, struct packet_hello *h)
{
	if (k->kind == KIND_REPLAY) {
		*h = k->recorded[k->next++ % k->nrecorded];
		return;
	}
	h->type = PACKET_HELLO;
	h->suite = SUITE_AES_256_GCM;
	fill(&k->prng, h->handshake_id, sizeof(h->handshake_id));
	fill(&k->prng, h->e, sizeof(h->e));
	fill(&k->prng, h->mac1, sizeof(h->mac1));
	if (k->kind != KIND_MAC1)
		cookie_sign_hello(&k->keys, h, NULL);
	if (k->kind == KIND_MAC2)
		fill(&k->prng, h->mac2, sizeof(h->mac2));
}

/* Random bits behind those of the prefix. */
static void make_address(struct knocker *k, void *ip, size_t len)
{
	uint8_t noise[16], *at = ip;

	fill(&k->prng, noise, sizeof(noise));
	for (size_t bit = k->from_bits; bit < 8 * len; bit++)
		at[bit / 8] = (uint8_t)(at[bit / 8] ^ (noise[bit / 8] & (0x80 >> bit % 8)));
}

static void put_source(struct knocker *k, struct msghdr *m)
{
	struct cmsghdr *c = m->msg_control;

	if (k->from.ss.ss_family == AF_INET) {
		const struct sockaddr_in *from = (const void *)&k->from.ss;
		struct in_pktinfo info = { .ipi_spec_dst = from->sin_addr };

		make_address(k, &info.ipi_spec_dst, sizeof(info.ipi_spec_dst));
		*c = (struct cmsghdr){ CMSG_LEN(sizeof(info)), IPPROTO_IP, IP_PKTINFO };
		memcpy(CMSG_DATA(c), &info, sizeof(info));
		m->msg_controllen = CMSG_SPACE(sizeof(info));
	} else {
		const struct sockaddr_in6 *from = (const void *)&k->from.ss;
		struct in6_pktinfo info = { .ipi6_addr = from->sin6_addr };

		make_address(k, &info.ipi6_addr, sizeof(info.ipi6_addr));
		*c = (struct cmsghdr){ CMSG_LEN(sizeof(info)), IPPROTO_IPV6, IPV6_PKTINFO };
		memcpy(CMSG_DATA(c), &info, sizeof(info));
		m->msg_controllen = CMSG_SPACE(sizeof(info));
	}
}

static uint64_t knock(void *ctx, uint64_t n)
{
	static struct packet_hello hello[BATCH];
	static union source source[BATCH];
	struct mmsghdr message[BATCH];
	struct iovec iov[BATCH];
	struct knocker *k = ctx;
	uint64_t sent = 0;

	while (sent < n) {
		const unsigned int want = n - sent < BATCH ? (unsigned int)(n - sent) : BATCH;

		for (unsigned int i = 0; i < want; i++) {
			iov[i] = (struct iovec){ &hello[i], sizeof(hello[i]) };
			message[i].msg_hdr = (struct msghdr){ .msg_name = &k->to.ss,
							      .msg_namelen = k->to.len,
							      .msg_iov = &iov[i],
							      .msg_iovlen = 1,
							      .msg_control = source[i].buf };
			make_hello(k, &hello[i]);
			put_source(k, &message[i].msg_hdr);
		}
		const int got = sendmmsg(k->fd[k->turn++ % PORTS], message, want, 0);
		if (got <= 0)
			break; /* ENOBUFS and the like: owed, and never sent */
		sent += (uint64_t)got;
	}
	return sent;
}

/* --- before --- */

static void read_key(struct knocker *k, const char *file)
{
	char text[128] = "";
	uint8_t key[PROTO_KEY_LEN];
	FILE *f = file ? fopen(file, "r") : NULL;

	if (!f || !fgets(text, sizeof(text), f))
		die("--key %s: %s", file ? file : "is needed", strerror(errno));
	fclose(f);
	text[strcspn(text, "\n")] = 0;
	if (!base64_decode(key, sizeof(key), text))
		die("--key %s holds no key", file);
	cookie_keys_derive(&k->keys, key);
}

static void read_recorded(struct knocker *k, const char *file)
{
	static char line[65536];
	FILE *f = file ? fopen(file, "r") : NULL;

	if (!f)
		die("--file %s: %s", file ? file : "is needed", strerror(errno));
	while (k->nrecorded < RECORDED_MOST && fgets(line, sizeof(line), f)) {
		struct packet_hello *h = &k->recorded[k->nrecorded];

		line[strcspn(line, "\n")] = 0;
		const char *word = strrchr(line, ' ');
		if (word && hex_decode((uint8_t *)h, sizeof(*h), word + 1) && h->type == PACKET_HELLO)
			k->nrecorded++;
	}
	fclose(f);
	if (k->nrecorded == 0)
		die("--file %s holds no HELLO", file);
}

static void open_sockets(struct knocker *k)
{
	static const int on = 1;

	for (int i = 0; i < PORTS; i++) {
		k->fd[i] = open_socket(&k->to, SOCK_DGRAM);
		if (k->to.ss.ss_family == AF_INET)
			setsockopt(k->fd[i], IPPROTO_IP, IP_FREEBIND, &on, sizeof(on));
		else
			setsockopt(k->fd[i], IPPROTO_IPV6, IPV6_FREEBIND, &on, sizeof(on));
	}
}

static void parse_prefix(struct knocker *k, char *text)
{
	char *slash = strchr(text, '/');

	if (slash)
		*slash = 0;
	k->from = parse_address(text);
	k->from_bits = slash ? (unsigned int)parse_number(slash + 1) : 128;
}

static enum kind parse_kind(const char *text)
{
	for (int i = 0; i < 4; i++)
		if (strcmp(text, kind_name[i]) == 0)
			return (enum kind)i;
	die("--kind is mac1, mac2, new or replay");
}

static const struct option long_options[] = {
	{ "to", required_argument, NULL, 't' },
	{ "from", required_argument, NULL, 'f' },
	{ "kind", required_argument, NULL, 'k' },
	{ "rate", required_argument, NULL, 'r' },
	{ "ms", required_argument, NULL, 'm' },   { "count", required_argument, NULL, 'c' },
	{ "key", required_argument, NULL, 'K' },
	{ "file", required_argument, NULL, 'F' },
	{ "ready-file", required_argument, NULL, 'R' },
	{ NULL, 0, NULL, 0 },
};

int main(int argc, char **argv)
{
	static struct knocker k;
	struct pace p = { .ms = 1000 };
	const char *key = NULL, *file = NULL, *ready_file = NULL;
	uint64_t count = 0;
	int c;

	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (c) {
		case 't': k.to = parse_address(optarg); break;
		case 'f': parse_prefix(&k, optarg); break;
		case 'k': k.kind = parse_kind(optarg); break;
		case 'r': p.rate = parse_number(optarg); break;
		case 'm': p.ms = parse_number(optarg); break;
		case 'c': count = parse_number(optarg); break;
		case 'K': key = optarg; break;
		case 'F': file = optarg; break;
		case 'R': ready_file = optarg; break;
		default: die("usage: knock --to ADDR:PORT --from PREFIX/LEN --kind KIND --rate N [options]");
		}
	}
	if (!p.rate == !count || !k.to.len || k.from.ss.ss_family != k.to.ss.ss_family)
		die("--rate or --count, --to and --from of the same family are needed");
	if (k.kind == KIND_MAC2 || k.kind == KIND_NEW)
		read_key(&k, key);
	if (k.kind == KIND_REPLAY)
		read_recorded(&k, file);
	k.prng.state = now_ns();
	open_sockets(&k);
	tool_catch_signals();
	announce(ready_file, "knocking");
	if (count)
		p.sent = knock(&k, count);
	else
		pace_run(&p, knock, &k);
	printf("{\"kind\":\"%s\",\"rate\":%llu,\"seconds\":%.3f,\"sent\":%llu,\"skipped\":%llu}\n",
	       kind_name[k.kind], (unsigned long long)p.rate, p.seconds, (unsigned long long)p.sent,
	       (unsigned long long)p.skipped);
	return 0;
}
