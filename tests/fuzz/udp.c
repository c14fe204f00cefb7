/*
 * What the kernel tells beside a datagram: control messages as put_cmsg() makes them, cut where there was no room, and of
 * any content. What is sent from an address with ECN bits is what would be received.
 */
#include "net/udp.c"

#include "fuzz.h"

/* As the kernel writes it: what does not fit is cut, and the message says how much of it is there. */
static size_t put_cmsg(uint8_t *buf, size_t room, struct input *in)
{
	static const int kinds[][2] = {
		{ IPPROTO_IP, IP_PKTINFO },     { IPPROTO_IP, IP_TOS },        { IPPROTO_IP, IP_RECVERR },
		{ IPPROTO_IPV6, IPV6_PKTINFO }, { IPPROTO_IPV6, IPV6_TCLASS }, { IPPROTO_IPV6, IPV6_RECVERR },
		{ SOL_UDP, UDP_GRO },
	};
	const uint8_t kind = input_byte(in);
	struct cmsghdr h = { .cmsg_level = kind & 0x40, .cmsg_type = kind & 0x3f };
	const uint8_t *data;
	const size_t len = input_bytes(in, false, &data);
	size_t n = CMSG_LEN(len);

	if (kind < 7 * 4) {
		h.cmsg_level = kinds[kind % 7][0];
		h.cmsg_type = kinds[kind % 7][1];
	}
	if (room < sizeof(h))
		return 0;
	if (n > room)
		n = room;
	h.cmsg_len = n;
	memcpy(buf, &h, sizeof(h));
	memcpy(buf + CMSG_LEN(0), data, n - CMSG_LEN(0));
	return CMSG_SPACE(len) < room ? CMSG_SPACE(len) : room;
}

/* What would be sent back where it came from, read as if it had come. */
static void answers(struct udp_datagram *d)
{
	struct udp_datagram got;
	struct chunk c;

	prepare_send(&c, d, 1);
	c.msg[0].msg_len = (unsigned int)d->len;
	take_datagram(&c.msg[0], &c.name[0], &got);
	HOLDS(endpoint_equal(&got.remote, &d->remote) && got.ecn == d->ecn);
	HOLDS(ip_equal(&got.local, &d->local) || (ip_is_zero(&got.local) && ip_is_zero(&d->local)));
	HOLDS(c.msg[0].msg_hdr.msg_controllen <= sizeof(c.control[0].buf));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	const uint8_t what = input_byte(&in);
	union sockaddr_any from = { .v6 = { .sin6_family = what & 1 ? AF_INET : AF_INET6 } };
	const size_t room = what & 2 ? 512 : sizeof(union control);
	struct mmsghdr m = { .msg_len = (unsigned int)input_byte(&in) << 8 };
	uint8_t *all = aligned_alloc(16, 512), *control;
	const uint8_t *name;
	struct udp_datagram d;
	size_t len = 0;

	HOLDS(all);
	m.msg_len |= input_byte(&in);
	len = input_bytes(&in, false, &name);
	memcpy((uint8_t *)&from + 2, name, len < sizeof(from) - 2 ? len : sizeof(from) - 2);
	len = 0;
	for (size_t n; in.left > 0 && (n = put_cmsg(all + len, room - len, &in)) > 0;)
		len += n;
	HOLDS((control = malloc(len ? len : 1))); /* of exact size */
	memcpy(control, all, len);
	free(all);
	m.msg_hdr = (struct msghdr){ .msg_control = control, .msg_controllen = len };
	d.data = NULL;
	take_datagram(&m, &from, &d);
	HOLDS(d.ecn <= ECN_MASK && d.len == m.msg_len && (d.segment == 0 || d.segment < d.len));
	error_of_notice(&m.msg_hdr);
	/* The families go together, for IPV6_V6ONLY is set. */
	if (ip_is_v4(&d.remote.ip) == (what & 1) &&
	    (ip_is_zero(&d.local) || ip_is_v4(&d.local) == ip_is_v4(&d.remote.ip)))
		answers(&d);
	free(control);
	return 0;
}
