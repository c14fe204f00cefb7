/*
 * Records UDP datagrams that pass an interface, either way, one line each: SOURCE DESTINATION HEX.
 *
 *     capture --interface IF [--port P | --from-port P | --to-port P] [--count N] [--seconds N]
 *             [--out F] [--ready-file F]
 *
 * Super-packets of UDP_SEGMENT are split again into the datagrams they stand for, so that every line can be
 * replayed. Ends after --count datagrams, --seconds, or SIGTERM, and prints how many there were as JSON.
 */
#include <getopt.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if_arp.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <poll.h>

#include "tool.h"

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

struct options {
	const char *interface, *ready_file;
	FILE *out;
	uint16_t port, from_port, to_port;
	uint64_t count, length_ns;
};

struct datagram {
	char source[ADDRESS_TEXT], destination[ADDRESS_TEXT];
	uint16_t from_port, to_port;
	const uint8_t *data;
	size_t len;
};

static void endpoint_text(char *out, int family, const void *ip, uint16_t port)
{
	char host[INET6_ADDRSTRLEN] = "";

	inet_ntop(family, ip, host, sizeof(host));
	snprintf(out, ADDRESS_TEXT, family == AF_INET ? "%s:%u" : "[%s]:%u", host, port);
}

static bool parse_udp(struct datagram *d, int family, const void *src, const void *dst, const uint8_t *p,
		      size_t len)
{
	struct udphdr u;

	if (len < sizeof(u))
		return false;
	memcpy(&u, p, sizeof(u));
	d->from_port = ntohs(u.uh_sport);
	d->to_port = ntohs(u.uh_dport);
	d->data = p + sizeof(u);
	d->len = len - sizeof(u);
	endpoint_text(d->source, family, src, d->from_port);
	endpoint_text(d->destination, family, dst, d->to_port);
	return true;
}

/* Whole UDP datagrams of IPv4 and IPv6; fragments and extension headers are not for us. */
static bool parse_ip(struct datagram *d, const uint8_t *p, size_t len)
{
	if (len >= sizeof(struct ip) && p[0] >> 4 == 4) {
		size_t header = (size_t)(p[0] & 15) * 4, total = (size_t)(p[2] << 8 | p[3]);
		bool fragment = (p[6] & 0x3f) || p[7];
		if (p[9] != IPPROTO_UDP || fragment || total > len || header > total)
			return false;
		return parse_udp(d, AF_INET, p + 12, p + 16, p + header, total - header);
	}
	if (len >= sizeof(struct ip6_hdr) && p[0] >> 4 == 6) {
		size_t total = sizeof(struct ip6_hdr) + (size_t)(p[4] << 8 | p[5]);
		if (p[6] != IPPROTO_UDP || total > len)
			return false;
		return parse_udp(d, AF_INET6, p + 8, p + 24, p + sizeof(struct ip6_hdr),
				 total - sizeof(struct ip6_hdr));
	}
	return false;
}

static bool wanted(const struct options *o, const struct datagram *d)
{
	if (o->port && d->from_port != o->port && d->to_port != o->port)
		return false;
	return (!o->from_port || d->from_port == o->from_port) && (!o->to_port || d->to_port == o->to_port);
}

static uint64_t write_lines(const struct options *o, const struct datagram *d, size_t segment, uint64_t left)
{
	uint64_t n = 0;

	for (size_t at = 0; (at < d->len || at == 0) && n < left; at += segment, n++) {
		fprintf(o->out, "%s %s ", d->source, d->destination);
		for (size_t i = at; i < d->len && i < at + segment; i++)
			fprintf(o->out, "%02x", d->data[i]);
		fputc('\n', o->out);
	}
	fflush(o->out);
	return n;
}

/* False when there is none. Adds to `*count` what it has written, which is never more than wanted. */
static bool take_packet(const struct options *o, int fd, uint64_t *count)
{
	static uint8_t buf[sizeof(struct virtio_net_hdr) + 70000];
	struct virtio_net_hdr vh;
	struct sockaddr_ll ll;
	socklen_t lllen = sizeof(ll);
	struct datagram d;
	ssize_t n = recvfrom(fd, buf, sizeof(buf), MSG_DONTWAIT, (struct sockaddr *)&ll, &lllen);
	size_t header = sizeof(vh) + (n >= 0 && ll.sll_hatype == ARPHRD_ETHER ? ETH_HLEN : 0);

	if (n < 0 && errno != EINTR)
		return false;
	if (n < (ssize_t)header)
		return true;
	memcpy(&vh, buf, sizeof(vh));
	if (!parse_ip(&d, buf + header, (size_t)n - header) || !wanted(o, &d))
		return true;
	bool super = vh.gso_type == VIRTIO_NET_HDR_GSO_UDP_L4 && vh.gso_size;
	*count += write_lines(o, &d, super ? vh.gso_size : 65536, o->count - *count);
	return true;
}

static int open_capture(const struct options *o)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int one = 1, fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	ll.sll_ifindex = (int)if_nametoindex(o->interface);
	if (fd < 0 || !ll.sll_ifindex)
		die("%s: %s", o->interface, strerror(errno));
	if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)))
		die("PACKET_VNET_HDR: %s", strerror(errno));
	receive_generously(fd);
	if (bind(fd, (struct sockaddr *)&ll, sizeof(ll)))
		die("bind: %s", strerror(errno));
	return fd;
}

static const struct option long_options[] = {
	{ "interface", required_argument, NULL, 'i' }, { "port", required_argument, NULL, 'p' },
	{ "from-port", required_argument, NULL, 'f' }, { "to-port", required_argument, NULL, 't' },
	{ "count", required_argument, NULL, 'c' },     { "seconds", required_argument, NULL, 's' },
	{ "out", required_argument, NULL, 'o' },       { "ready-file", required_argument, NULL, 'R' },
	{ NULL, 0, NULL, 0 },
};

static void parse_options(struct options *o, int argc, char **argv)
{
	int c;

	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (c) {
		case 'i': o->interface = optarg; break;
		case 'p': o->port = (uint16_t)parse_number(optarg); break;
		case 'f': o->from_port = (uint16_t)parse_number(optarg); break;
		case 't': o->to_port = (uint16_t)parse_number(optarg); break;
		case 'c': o->count = parse_number(optarg); break;
		case 's': o->length_ns = parse_number(optarg) * NS_PER_S; break;
		case 'R': o->ready_file = optarg; break;
		case 'o':
			o->out = fopen(optarg, "w");
			if (!o->out)
				die("%s: %s", optarg, strerror(errno));
			break;
		default: die("usage: capture --interface IF [--port P] [--count N] [--out F] [--seconds N]");
		}
	}
	if (!o->interface)
		die("--interface is needed");
}

int main(int argc, char **argv)
{
	struct options o = { .out = stderr, .count = UINT64_MAX };
	uint64_t n = 0;

	parse_options(&o, argc, argv);
	int fd = open_capture(&o);
	uint64_t end = o.length_ns ? now_ns() + o.length_ns : UINT64_MAX;
	tool_catch_signals();
	announce(o.ready_file, "capturing");
	while (!tool_stop && n < o.count && now_ns() < end) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		if (poll(&p, 1, 100) > 0)
			take_packet(&o, fd, &n);
	}
	while (n < o.count && take_packet(&o, fd, &n)) /* what had come before it was told to stop */
		;
	struct tpacket_stats st = { 0 };
	socklen_t len = sizeof(st);
	getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &st, &len);
	printf("{\"datagrams\":%llu,\"missed\":%u}\n", (unsigned long long)n, st.tp_drops);
	close(fd);
	return 0;
}
